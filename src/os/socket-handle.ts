import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { getSystemErrorMap } from 'node:util';
import type { HandleMethods, SocketInternals, StreamHandle } from './node-internals.js';

/**
 * There is no public way to a socket's descriptor. docs/security.md lists all that is used of Node's own
 * objects.
 */
export function handleOf(socket: Socket): StreamHandle | undefined {
  const { _handle: handle }: SocketInternals = socket;
  // A caller may have put anything there.
  return typeof handle?.fd === 'number' && 'readStart' in handle && 'readStop' in handle ? handle : undefined;
}

/**
 * From here on the callbacks of a socket run in the asynchronous context of this call, not in that of the
 * call which opened it.
 */
export function enterContext(socket: Socket): void {
  handleOf(socket)?.asyncReset?.({});
}

/**
 * The file descriptor of a connected socket; -1 on Windows and for one that is closed. It stays the socket's
 * own.
 */
export function descriptorOf(socket: Socket): number {
  return handleOf(socket)?.fd ?? -1;
}

/** A handle that takes over a descriptor of a Unix socket. */
export interface PipeHandle extends StreamHandle {
  /** How many bytes it has read so far. */
  readonly bytesRead: number;
  onread: () => void;
  /** @returns 0, or an error; older Nodes throw it */
  open(descriptor: number): unknown;
  unref(): void;
  /** Has bytes read into `buffer` from now on; `onread` is then not given them. */
  useUserBuffer(buffer: Uint8Array): void;
}

/** The class of the handles of Unix sockets, learned from the first one; `null` where Node has no such class. */
let PipeClass: (new (type: number) => PipeHandle) | null | undefined;
const PIPE_MEMBERS = ['bytesRead', 'onread', 'open', 'unref', 'useUserBuffer'] as const;
/** `PipeConstants.SOCKET`. */
const PIPE_SOCKET = 0;

/** Whether {@link pipeOver} can make a handle. */
export function hasPipes(): boolean {
  return PipeClass !== null && PipeClass !== undefined;
}

/**
 * A handle over a descriptor of a Unix socket; `undefined` before the first socket, and where that fails. Node's own
 * way asks the kernel three times what kind of descriptor it is: a third of the time that such a socket takes.
 */
export function pipeOver(descriptor: number): PipeHandle | undefined {
  if (PipeClass === null || PipeClass === undefined) return undefined;
  const handle = new PipeClass(PIPE_SOCKET);
  if (withoutThrowing(() => handle.open(descriptor)) === 0) return handle;
  handle.close();
  return undefined;
}

/**
 * A socket that owns `descriptor`, that of a Unix socket, from here on.
 *
 * Node sets the last four options in any case. Missing here, they turn its copy of the options into a dictionary:
 * 10 µs instead of 1.
 */
export function socketOverDescriptor(descriptor: number): Socket {
  const handle = pipeOver(descriptor);
  const options = {
    handle,
    fd: handle === undefined ? descriptor : undefined,
    allowHalfOpen: false,
    emitClose: false,
    autoDestroy: true,
    decodeStrings: false,
  };
  const socket = new Socket(options);
  const first = PipeClass === undefined ? handleOf(socket) : undefined;
  if (first !== undefined) {
    const known: (new (type: number) => PipeHandle) | undefined = Reflect.get(first, 'constructor');
    PipeClass = known?.name === 'Pipe' && PIPE_MEMBERS.every((name) => name in first) ? known : null;
  }
  return socket;
}

/** Under which a handle knows its socket. */
let ownerSymbol: symbol | undefined;
/** The prototype of the first handle, which nearly all others share. */
let madePrototype: object | undefined;
const otherPrototypes = new WeakSet();

/**
 * Learns from a handle over which `socket` has just been made, and which no caller has had yet, how such
 * handles are, for {@link isOwnedBy}.
 */
export function learnHandle(handle: StreamHandle, socket: Socket): void {
  ownerSymbol ??= Object.getOwnPropertySymbols(handle).find(
    (symbol) => Reflect.get(handle, symbol) === socket,
  );
  const prototype: object | null = Object.getPrototypeOf(handle);
  if (prototype === null || prototype === madePrototype) return;
  if (madePrototype === undefined) madePrototype = prototype;
  else otherPrototypes.add(prototype);
}

/**
 * Whether a handle is as it was when `socket` was made over it. TLS makes `reading` an accessor, an HTTP
 * server's parser leaves a mark of its own, and another socket becomes its owner.
 */
export function isOwnedBy(handle: StreamHandle, socket: Socket): boolean {
  const prototype: object | null = Object.getPrototypeOf(handle);
  if (prototype === null || (prototype !== madePrototype && !otherPrototypes.has(prototype))) return false;
  const own: HandleMethods = handle;
  const made: HandleMethods = prototype;
  // One by one: `Object.keys` does not list a member that is not enumerable, and to list all names takes as
  // long as all else here.
  if (
    own.readStart !== made.readStart ||
    own.readStop !== made.readStop ||
    own.writeBuffer !== made.writeBuffer ||
    own.writev !== made.writev ||
    own.writeUtf8String !== made.writeUtf8String ||
    own.writeLatin1String !== made.writeLatin1String ||
    own.writeAsciiString !== made.writeAsciiString ||
    own.writeUcs2String !== made.writeUcs2String ||
    own.shutdown !== made.shutdown ||
    own.close !== made.close ||
    own.ref !== made.ref ||
    own.unref !== made.unref ||
    own.getAsyncId !== made.getAsyncId ||
    own.asyncReset !== made.asyncReset
  )
    return false;
  const reading = Object.getOwnPropertyDescriptor(handle, 'reading');
  if (reading === undefined || reading.get !== undefined || Object.keys(handle).length !== 1) return false;
  // The function that gets the bytes read is no sign: an HTTP agent changes it while it keeps a socket, and the
  // next socket changes it back.
  if (ownerSymbol === undefined || Reflect.get(handle, ownerSymbol) !== socket) return false;
  return Object.isExtensible(handle);
}

const ALREADY_READING = Array.from(getSystemErrorMap()).find(([, [name]]) => name === 'EALREADY')?.[0];

/**
 * Starts reading unless the handle does so already. Asks the handle itself, which a caller may have stopped.
 * Returns false where that fails.
 */
export function startReading(handle: StreamHandle): boolean {
  handle.reading = true;
  const started = handle.readStart();
  return started === 0 || started === ALREADY_READING;
}

/** Stops reading at once; bytes that come from now on stay in the kernel. */
export function stopReading(handle: StreamHandle): void {
  handle.reading = false;
  handle.readStop();
}

/**
 * Stops Node from reading for good, also when a listener or `read()` asks it to: bytes that carry a descriptor must
 * not end in this socket's buffers. `pause()` alone goes on reading until the stream's buffer is full, and a
 * listener that was left on the socket could set it going again.
 */
export function holdReading(socket: Socket): void {
  socket._read = () => {};
  const handle = handleOf(socket);
  if (handle !== undefined) stopReading(handle);
}

/** Takes the bytes that a socket has read and that no listener has had. */
export function takeUnread(socket: Socket): Uint8Array | undefined {
  if (socket.readableLength === 0) return undefined;
  // Without a length newer Nodes return the first chunk only.
  const unread: Uint8Array = socket.read(socket.readableLength);
  return unread;
}

/**
 * Lets a socket flow that has no unread bytes and that its caller awaits by `data` alone. Node does it in a tick of its
 * own, which takes a twentieth of a short request.
 * A listener for `resume` that comes only later in that tick hears nothing.
 *
 * Without a listener for `data` it is Node's to do: where listeners for `readable` have just been removed, Node stops
 * the flow at the end of the tick unless it has begun it itself.
 */
export function flowsAtOnce(socket: Socket): boolean {
  if (socket.readableFlowing !== null || socket.readableLength > 0 || socket.isPaused()) return false;
  // By name: V8 knows where each stands, and to count listeners takes as long as all else here.
  const { _events: listeners }: SocketInternals = socket;
  if (listeners?.data === undefined || listeners.readable !== undefined || listeners.resume !== undefined)
    return false;
  // As Node does in that tick: the stream then knows that a read is under way.
  Duplex.prototype.read.call(socket, 0);
  const internals: SocketInternals = socket;
  internals.readableFlowing = true;
  return true;
}

/** Runs what may call code that a caller has left on its socket. Returns `undefined` where that throws. */
export function withoutThrowing<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

/** The state that every new socket has. */
export interface Made {
  readonly prototype: object;
  readonly names: readonly string[];
  readonly symbols: readonly symbol[];
  /** For how many events Node has listeners of its own. */
  readonly events: unknown;
  readonly readableState: unknown;
  readonly writableState: unknown;
}

/** Notes the state of a socket that no caller has had yet. */
export function lookAt(socket: Socket): Made {
  const internals: SocketInternals = socket;
  return {
    prototype: Object.getPrototypeOf(socket),
    names: Object.keys(socket),
    symbols: Object.getOwnPropertySymbols(socket),
    events: internals._eventsCount,
    readableState: Object.getPrototypeOf(internals._readableState),
    writableState: Object.getPrototypeOf(internals._writableState),
  };
}

/** Objects that Node keeps on a socket and that have nothing to do with its handle. */
const HARMLESS_NAMES: ReadonlySet<string | symbol> = new Set(['_peername', '_httpMessage', 'parser']);

/** Whether the socket keeps its state as Node does, and nothing has marked it as taken. */
export function isAsMade(socket: Socket, expected: Made | undefined): boolean {
  if (expected === undefined || !Object.isExtensible(socket) || Object.hasOwn(socket, '_handle'))
    return false;
  if (Object.getPrototypeOf(socket) !== expected.prototype) return false;
  const internals: SocketInternals = socket;
  if (Object.getPrototypeOf(internals._readableState) !== expected.readableState) return false;
  if (Object.getPrototypeOf(internals._writableState) !== expected.writableState) return false;
  const keys = Object.keys(socket);
  const { names, symbols } = expected;
  for (let index = 0; index < names.length; index += 1) if (keys[index] !== names[index]) return false;
  if (keys.length > names.length && !areHarmless(socket, keys.slice(names.length), expected)) return false;
  // Listing the symbols takes as long as all else here, and a library that marks a socket also listens to it.
  if (internals._eventsCount === expected.events) return true;
  const marks = Object.getOwnPropertySymbols(socket);
  return (
    symbols.every((symbol, index) => marks[index] === symbol) &&
    areHarmless(socket, marks.slice(symbols.length), expected)
  );
}

/**
 * Functions, and members in place of Node's own, are a caller's; so are plain values under a name. They end
 * with the socket. All else may be a mark, as http2 and other libraries leave one.
 */
function areHarmless(socket: Socket, keys: readonly (string | symbol)[], { prototype }: Made): boolean {
  return keys.every((key) => {
    const value: unknown = Reflect.get(socket, key);
    if (value === undefined || value === null || typeof value === 'function') return true;
    if (key in prototype) return true;
    return typeof value === 'object' ? HARMLESS_NAMES.has(key) : typeof key === 'string';
  });
}
