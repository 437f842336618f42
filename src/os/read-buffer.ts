import { Socket, type SocketConstructorOpts } from 'node:net';
import { inspect } from 'node:util';
import { markAsUntransferable } from 'node:worker_threads';

/** Node's own reads are of this size. */
const READ_BYTES = 64 * 1024;

/**
 * The memory into which all pooled sockets of this thread read. Node allocates 64 KiB for each read of a stream, and
 * gives back the part that the bytes do not fill, which takes longer than to copy a short answer.
 *
 * Node writes into it by its address: it lives for as long as the thread, and cannot be transferred.
 */
export const READ_BUFFER: Buffer = Buffer.allocUnsafeSlow(READ_BYTES);
markAsUntransferable(READ_BUFFER.buffer);
/**
 * The start of that memory, which sockets keep for Node in place of the whole. An assertion prints each byte of
 * a buffer: those of other connections, and in Node 22 and newer with gigabytes of memory for 65,536 lines. A
 * socket that its caller connects anew reads into this byte.
 */
export const READ_BUFFER_OF_SOCKETS: Buffer = READ_BUFFER.subarray(0, 1);
// A console that prints a socket must not show the bytes of other connections.
for (const buffer of [READ_BUFFER, READ_BUFFER_OF_SOCKETS])
  Object.defineProperty(buffer, inspect.custom, { value: () => '<read buffer>' });

/** The start of that memory, as long as the latest read: reads of one length often follow each other. */
let latest: Uint8Array = READ_BUFFER;

/** Node calls it as a method of the socket that has read, before another one can read. */
export function pushCopy(this: Socket, bytes: number): boolean {
  const copy = Buffer.allocUnsafe(bytes);
  if (latest.length !== bytes) latest = new Uint8Array(READ_BUFFER.buffer, 0, bytes);
  copy.set(latest);
  return this.push(copy);
}

/** Under which symbols a socket keeps the two parts of its option `onread`. */
export interface ReadMembers {
  readonly buffer: symbol;
  readonly callback: symbol;
}

/** Learned from a socket with that option, which is public; `undefined` where Node keeps it in another way. */
export const READ_MEMBERS: ReadMembers | undefined = learnMembers();

function learnMembers(): ReadMembers | undefined {
  // `onread` is missing in the constructor's type.
  const options: SocketConstructorOpts & { onread: object } = {
    onread: { buffer: READ_BUFFER_OF_SOCKETS, callback: pushCopy },
  };
  const socket = new Socket(options);
  const symbols = Object.getOwnPropertySymbols(socket);
  const buffer = symbols.find((symbol) => Reflect.get(socket, symbol) === READ_BUFFER_OF_SOCKETS);
  const callback = symbols.find((symbol) => Reflect.get(socket, symbol) === pushCopy);
  return buffer === undefined || callback === undefined ? undefined : { buffer, callback };
}
