import { errorMonitor } from 'node:events';
import { Socket } from 'node:net';
import { outOfContext } from '../async-context.js';
import {
  handleOf,
  isOwnedBy,
  learnClass,
  learnHandle,
  startReading,
  stopReading,
  type StreamHandle,
} from '../os/socket-handle.js';
import { DRAINED_BYTES } from './drain.js';
import { withoutThrowing } from './without-throwing.js';

/** Why a socket cannot go to another caller. */
export type SocketProblem = 'error' | 'stale' | 'dirty';

/**
 * The connection behind a {@link PooledSocket}, which hears of it whatever a caller does with the socket's
 * listeners.
 */
export interface SocketWatcher {
  /** What arrives is another thread's: the socket must not read. */
  readonly isLent: boolean;
  /** Bytes have arrived. */
  onBytes(): void;
  /** One side has ended: of the peer's, the caller may still have bytes to read. */
  onEnd(): void;
  /** The socket is about to close its descriptor. */
  beforeClose(): void;
  /** The socket is closed. */
  onDeath(problem: 'error' | 'stale'): void;
}

/**
 * The socket of a pooled connection, for one lease. What a caller can do to a `net.Socket` is past counting:
 * listeners, encodings, pipes, corks, methods of its own. So nothing of it is taken back. The connection gets
 * a new socket over the same handle, and the caller's own is left without one: whatever is still called on it
 * fails with `ERR_STREAM_DESTROYED` and reaches no other caller.
 *
 * The handle and the connection are private members: a console that prints the socket shows neither.
 */
export class PooledSocket extends Socket {
  #handle: StreamHandle | undefined;
  #watcher: SocketWatcher | undefined;
  /** Its callbacks run in a caller's asynchronous context. */
  #entered = false;

  private constructor(handle: StreamHandle | undefined, watcher: SocketWatcher) {
    // Node sets the last four in any case. Missing here, they turn its copy of the options into a dictionary:
    // 10 µs instead of 1.
    const options = {
      handle,
      manualStart: true,
      allowHalfOpen: false,
      emitClose: false,
      autoDestroy: true,
      decodeStrings: false,
    };
    super(options);
    this.#handle = handle;
    this.#watcher = watcher;
  }

  /** A socket over a handle of its own, for a new lease. It reads where the handle does. */
  private static over(handle: StreamHandle, watcher: SocketWatcher): PooledSocket {
    const socket = new PooledSocket(handle, watcher);
    if (made === undefined) {
      made = lookAt(socket);
      learnHandle(handle, socket);
    }
    return socket;
  }

  /**
   * Takes a connection over from the socket that opened it, along with what has arrived. Returns a destroyed
   * socket where there is no connection any more.
   */
  static adopt(opened: Socket, watcher: SocketWatcher): PooledSocket {
    const handle = opened.readable && opened.writable ? handleOf(opened) : undefined;
    if (handle === undefined) {
      opened.on('error', () => {}).destroy();
      return new PooledSocket(undefined, watcher).destroy();
    }
    // Without a length newer Nodes return the first chunk only.
    const greeting: unknown = opened.readableLength > 0 ? opened.read(opened.readableLength) : null;
    neuter(opened);
    learnClass(handle);
    const socket = PooledSocket.over(handle, watcher);
    PooledSocket.resumeReading(socket);
    if (greeting !== null) socket.unshift(greeting);
    return socket;
  }

  /**
   * The connection's socket for its next lease. The one that its caller had is good for nothing from here on.
   * Returns `undefined` where what its caller has left on the handle throws: the connection must close then.
   */
  static renew(used: PooledSocket): PooledSocket | undefined {
    return withoutThrowing(() => PooledSocket.#renewed(used));
  }

  static #renewed(used: PooledSocket): PooledSocket {
    const handle = used.#handle;
    const watcher = used.#watcher;
    if (handle === undefined || watcher === undefined)
      throw new Error('this socket has been renewed already');
    // An idle connection runs in no caller's context, and must not keep one in memory.
    if (used.#entered) outOfContext(() => handle.asyncReset?.({}));
    // Before the old one lets go of the handle: where this throws, that one must still close it.
    const next = PooledSocket.over(handle, watcher);
    neuter(used);
    used.#handle = undefined;
    used.#watcher = undefined;
    return next;
  }

  /**
   * From here on the socket's callbacks run in the asynchronous context of this call; of several calls the
   * first counts.
   */
  static enterContext(socket: PooledSocket): void {
    if (socket.#entered) return;
    socket.#entered = true;
    socket.#handle?.asyncReset?.({});
  }

  /**
   * What is wrong with a socket that its caller has given back. Unread and unsent bytes belong to the last
   * conversation. All state of the socket ends with it, so the rest is about the handle: anything but the
   * handle as it was made may mean that TLS, http2 or an HTTP parser has taken it over.
   *
   * @returns `'unsent'` where nothing is wrong but that some bytes have not left yet
   */
  static problemOf(socket: PooledSocket): SocketProblem | 'unsent' | undefined {
    try {
      if (!isAsMade(socket, made)) return 'dirty';
      return (
        stateProblem(socket) ??
        handleProblem(socket, socket.#handle) ??
        (socket.writableLength > 0 ? 'unsent' : undefined)
      );
    } catch {
      // One of the members that a caller has put on the socket throws.
      return 'dirty';
    }
  }

  /** Whether anything has ever arrived; not where a caller's own member throws. */
  static hasRead(socket: PooledSocket): boolean {
    return withoutThrowing(() => socket.bytesRead > 0) === true;
  }

  /** Closes the connection, whatever its caller has done to the socket. */
  static close(socket: PooledSocket): void {
    const handle = socket.#handle;
    try {
      const lost = handleOf(socket) !== handle;
      // Node calls it when the handle has closed, and a caller may have put anything in its place.
      if (typeof Reflect.get(socket, 'emit') !== 'function') Reflect.deleteProperty(socket, 'emit');
      Socket.prototype.destroy.call(socket);
      // A caller may have marked the socket as destroyed, have put a method of its own on it, or have taken
      // its handle away.
      if (handle !== undefined && (lost || handleOf(socket) === handle)) handle.close();
    } catch {
      // One of the members that a caller has put on the socket throws, or it is frozen.
      handle?.close();
    }
  }

  /**
   * Stops reading at once, for a connection that is lent: `pause()` alone goes on until the stream's buffer
   * is full.
   */
  static holdReading(socket: PooledSocket): void {
    if (socket.#handle !== undefined) stopReading(socket.#handle);
  }

  /** Reads again. Not by `read(0)`: the stream believes that a read is under way, and would not start one. */
  static resumeReading(socket: PooledSocket): void {
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
    if (this.#watcher?.isLent !== true) super._read(size);
  }

  /** Shuts the handle down for writing, which nothing but a later write would show. */
  override _final(callback: (error?: Error | null) => void): void {
    this.#watcher?.onEnd();
    super._final(callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const watcher = this.#watcher;
    watcher?.beforeClose();
    super._destroy(error, callback);
    watcher?.onDeath(error ? 'error' : 'stale');
  }

  /**
   * An error that has no listener ends a process. Callers take listeners off, and a pooled socket must not do
   * that for it.
   */
  override emit(event: string | symbol, ...values: unknown[]): boolean {
    return super.emit(
      event === 'error' && super.listenerCount('error') === 0 ? errorMonitor : event,
      ...values,
    );
  }
}

/** What is the same for every socket that has just been made. */
interface Made {
  readonly names: readonly string[];
  readonly symbols: readonly symbol[];
  /** For how many events Node has listeners of its own. */
  readonly events: unknown;
  readonly readableState: unknown;
  readonly writableState: unknown;
}

let made: Made | undefined;

function lookAt(socket: PooledSocket): Made {
  return {
    names: Object.keys(socket),
    symbols: Object.getOwnPropertySymbols(socket),
    events: Reflect.get(socket, '_eventsCount'),
    readableState: Object.getPrototypeOf(Reflect.get(socket, '_readableState')),
    writableState: Object.getPrototypeOf(Reflect.get(socket, '_writableState')),
  };
}

/** Objects that Node keeps on a socket and that have nothing to do with its handle. */
const HARMLESS_NAMES: ReadonlySet<string | symbol> = new Set(['_peername', '_httpMessage', 'parser']);

/** Whether the socket keeps its state as Node does, and nothing has marked it as taken. */
function isAsMade(socket: PooledSocket, expected: Made | undefined): boolean {
  if (expected === undefined || !Object.isExtensible(socket) || Object.hasOwn(socket, '_handle'))
    return false;
  if (Object.getPrototypeOf(socket) !== PooledSocket.prototype) return false;
  if (Object.getPrototypeOf(Reflect.get(socket, '_readableState')) !== expected.readableState) return false;
  if (Object.getPrototypeOf(Reflect.get(socket, '_writableState')) !== expected.writableState) return false;
  if (!hasOnlyHarmless(socket, Object.keys(socket), expected.names)) return false;
  // To list the symbols takes as long as all else here, and what marks a socket also listens to it.
  return (
    Reflect.get(socket, '_eventsCount') === expected.events ||
    hasOnlyHarmless(socket, Object.getOwnPropertySymbols(socket), expected.symbols)
  );
}

/**
 * Functions, and what stands in place of Node's own members, are a caller's; so are plain values under a
 * name. They end with the socket. All else may be a mark: http2 leaves one, as other libraries do.
 */
function hasOnlyHarmless(
  socket: Socket,
  keys: readonly (string | symbol)[],
  expected: readonly (string | symbol)[],
): boolean {
  for (let index = 0; index < expected.length; index += 1) if (keys[index] !== expected[index]) return false;
  return (
    keys.length === expected.length ||
    keys.slice(expected.length).every((key) => isHarmless(key, Reflect.get(socket, key)))
  );
}

function isHarmless(key: string | symbol, value: unknown): boolean {
  if (value === undefined || value === null || typeof value === 'function' || key in PooledSocket.prototype)
    return true;
  return typeof value === 'object' ? HARMLESS_NAMES.has(key) : typeof key === 'string';
}

function stateProblem(socket: PooledSocket): SocketProblem | undefined {
  if (socket.destroyed || !socket.readable || !socket.writable) return socket.errored ? 'error' : 'stale';
  // An HTTP parser that has not been freed waits for the rest of a message.
  const isBusy =
    socket.readableLength > 0 ||
    socket.writableLength > DRAINED_BYTES ||
    socket.connecting ||
    Reflect.get(socket, 'parser');
  return isBusy ? 'dirty' : undefined;
}

function handleProblem(socket: PooledSocket, handle: StreamHandle | undefined): SocketProblem | undefined {
  // A child process that has got the handle reads in place of this one.
  if (
    handle === undefined ||
    Reflect.get(socket, '_handle') !== handle ||
    !isOwnedBy(handle, socket) ||
    !handle.reading
  )
    return 'dirty';
  // A handle that has been closed refuses.
  return startReading(handle) ? undefined : 'stale';
}

/**
 * Leaves a socket without its connection: as if it had been destroyed, but without a word to its listeners,
 * and the handle stays open.
 */
function neuter(socket: Socket): void {
  try {
    if (socket.timeout) Socket.prototype.setTimeout.call(socket, 0);
  } catch {
    // A member of the caller's own. What is left is the caller's timer, which can do no harm.
  }
  Reflect.set(socket, '_handle', null);
  // The setter is there in every Node; its types hide it.
  Reflect.set(socket, 'destroyed', true);
}
