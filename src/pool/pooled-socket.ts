import { errorMonitor } from 'node:events';
import { Socket } from 'node:net';
import { handleOf, isOwnedBy, learnHandle, startReading, stopReading, type StreamHandle } from '../os/socket-handle.js';
import { DRAINED_BYTES } from './drain.js';

/** Why a socket cannot go to another caller. */
export type SocketProblem = 'error' | 'stale' | 'dirty';

/** The connection behind a {@link PooledSocket}, which hears of it whatever a caller does with the socket's listeners. */
export interface SocketWatcher {
  /** Bytes have arrived. */
  onBytes(): void;
  /** The peer has ended its side; the caller may still have bytes to read. */
  onEnd(): void;
  /** The socket is about to close its descriptor. */
  beforeClose(): void;
  /** The socket is closed. */
  onDeath(problem: 'error' | 'stale'): void;
}

/**
 * The socket of a pooled connection, for one lease. What a caller can do to a `net.Socket` is past counting: listeners, encodings, pipes,
 * corks, methods of its own. So nothing of it is taken back. The connection gets a new socket over the same handle, and the caller's own is
 * left without one: whatever is still called on it fails with `ERR_STREAM_DESTROYED` and reaches no other caller.
 *
 * The handle and the connection are private members: a console that prints the socket shows neither.
 */
export class PooledSocket extends Socket {
  #handle: StreamHandle | undefined;
  #watcher: SocketWatcher | undefined;
  #held: boolean;
  #ended: boolean;

  private constructor(handle: StreamHandle | undefined, watcher: SocketWatcher, held: boolean) {
    // Node sets the last four in any case. Missing here, they turn its copy of the options into a dictionary: 10 µs instead of 1.
    const options = { handle, manualStart: true, allowHalfOpen: false, emitClose: false, autoDestroy: true, decodeStrings: false };
    super(options);
    this.#handle = handle;
    this.#watcher = watcher;
    this.#held = held;
    this.#ended = false;
  }

  /** A socket over a handle of its own, for a new lease. With `held` it does not read before {@link PooledSocket.resumeReading}. */
  static over(handle: StreamHandle, watcher: SocketWatcher, held = false): PooledSocket {
    const socket = new PooledSocket(handle, watcher, held);
    if (symbolsWhenMade.length === 0) {
      symbolsWhenMade = Object.getOwnPropertySymbols(socket);
      learnHandle(handle, socket);
    }
    if (!held) PooledSocket.resumeReading(socket);
    return socket;
  }

  /**
   * Takes a connection over from the socket that opened it, along with what has arrived. Returns a destroyed socket where there is no
   * connection any more.
   */
  static adopt(opened: Socket, watcher: SocketWatcher): PooledSocket {
    const handle = opened.readable && opened.writable ? handleOf(opened) : undefined;
    if (handle === undefined) {
      opened.on('error', () => {}).destroy();
      return new PooledSocket(undefined, watcher, true).destroy();
    }
    const greeting: unknown = opened.read();
    neuter(opened);
    const socket = PooledSocket.over(handle, watcher);
    if (greeting !== null) socket.unshift(greeting);
    return socket;
  }

  /** The connection's socket for its next lease. The one that its caller had is good for nothing from here on. */
  static renew(used: PooledSocket, held = false): PooledSocket {
    const handle = used.#handle;
    const watcher = used.#watcher;
    if (handle === undefined || watcher === undefined) throw new Error('this socket has been renewed already');
    used.#handle = undefined;
    used.#watcher = undefined;
    neuter(used);
    return PooledSocket.over(handle, watcher, held);
  }

  /**
   * What is wrong with a socket that its caller has given back. Unread and unsent bytes belong to the last conversation. All state of the
   * socket ends with it, so the rest is about the handle: anything but the handle as it was made may mean that TLS, http2 or an HTTP parser
   * has taken it over.
   *
   * @returns `'unsent'` where nothing is wrong but that some bytes have not left yet
   */
  static problemOf(socket: PooledSocket): SocketProblem | 'unsent' | undefined {
    if (socket.#ended) return 'stale';
    try {
      return stateProblem(socket) ?? handleProblem(socket, socket.#handle, socket.#held) ?? (socket.writableLength > 0 ? 'unsent' : undefined);
    } catch {
      // A caller has replaced what the socket keeps its state in.
      return 'dirty';
    }
  }

  /** Closes the connection, whatever its caller has done to the socket. */
  static close(socket: PooledSocket): void {
    const handle = socket.#handle;
    const hadHandle = handleOf(socket) === handle;
    try {
      Socket.prototype.destroy.call(socket);
    } catch {
      // As above.
    }
    // A caller may have marked the socket as destroyed, have put a method of its own on it, or have taken its handle away.
    if (handle !== undefined && (!hadHandle || handleOf(socket) === handle)) handle.close();
  }

  /** Stops reading at once, whatever asks for it: `pause()` alone goes on until the stream's buffer is full. */
  static holdReading(socket: PooledSocket): void {
    socket.#held = true;
    if (socket.#handle !== undefined) stopReading(socket.#handle);
  }

  /** Reads again. Not by `read(0)`: the stream believes that a read is under way, and would not start one. */
  static resumeReading(socket: PooledSocket): void {
    socket.#held = false;
    if (socket.#handle === undefined || socket.destroyed || startReading(socket.#handle)) return;
    socket.destroy(new Error('cannot read from the connection any more'));
  }

  /** What the handle calls with what it has read; `null` is the end of the stream. */
  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    if (chunk === null) this.#watcher?.onEnd();
    else this.#watcher?.onBytes();
    return super.push(chunk, encoding);
  }

  override _read(size: number): void {
    if (!this.#held) super._read(size);
  }

  /** Shuts the handle down for writing, which nothing but a later write would show. */
  override _final(callback: (error?: Error | null) => void): void {
    this.#ended = true;
    super._final(callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const watcher = this.#watcher;
    watcher?.beforeClose();
    super._destroy(error, callback);
    watcher?.onDeath(error ? 'error' : 'stale');
  }

  /** An error that has no listener ends a process. Callers take listeners off, and a pooled socket must not do that for it. */
  override emit(event: string | symbol, ...values: unknown[]): boolean {
    return super.emit(event === 'error' && this.listenerCount('error') === 0 ? errorMonitor : event, ...values);
  }
}

/** What the checks below read of a socket; a property of its own in place of one could say anything. */
const STATE_NAMES = ['_handle', 'destroyed', 'errored', 'readable', 'writable', 'readableLength', 'writableLength'] as const;

function stateProblem(socket: PooledSocket): SocketProblem | undefined {
  if (!Object.isExtensible(socket) || Object.getPrototypeOf(socket) !== PooledSocket.prototype) return 'dirty';
  if (STATE_NAMES.some((name) => Object.hasOwn(socket, name))) return 'dirty';
  if (socket.destroyed || !socket.readable || !socket.writable) return socket.errored ? 'error' : 'stale';
  // Not `> 0`: with a state that is not Node's own there is no length.
  if (socket.readableLength !== 0 || !(socket.writableLength <= DRAINED_BYTES) || socket.connecting) return 'dirty';
  // An HTTP parser that has not been freed waits for the rest of a message.
  return Reflect.get(socket, 'parser') || !hasSymbols(socket, symbolsWhenMade) ? 'dirty' : undefined;
}

function handleProblem(socket: PooledSocket, handle: StreamHandle | undefined, held: boolean): SocketProblem | undefined {
  if (handle === undefined || handleOf(socket) !== handle || !isOwnedBy(handle, socket)) return 'dirty';
  // A handle that has been closed refuses both.
  return (held ? stopReading(handle) : startReading(handle)) ? undefined : 'stale';
}

/** What a new socket has, the same for each. Node marks one that http2 or a child process has taken by another, as other libraries do. */
let symbolsWhenMade: readonly symbol[] = [];

function hasSymbols(socket: Socket, expected: readonly symbol[]): boolean {
  const symbols = Object.getOwnPropertySymbols(socket);
  return symbols.length === expected.length && symbols.every((symbol, index) => symbol === expected[index]);
}

/** Leaves a socket without its connection: as if it had been destroyed, but without a word to its listeners, and the handle stays open. */
function neuter(socket: Socket): void {
  if (socket.timeout) Socket.prototype.setTimeout.call(socket, 0);
  Reflect.set(socket, '_handle', null);
  // The setter is there in every Node; its types hide it.
  Reflect.set(socket, 'destroyed', true);
}
