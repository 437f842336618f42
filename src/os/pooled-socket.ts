import { errorMonitor } from 'node:events';
import { Socket } from 'node:net';
import { Duplex, getDefaultHighWaterMark } from 'node:stream';
import { isOutOfContext, outOfContext } from '../async-context.js';
import { DRAINED_BYTES } from './drain.js';
import { learnHandleSymbol, neuter, type SocketInternals, type StreamHandle } from './node-internals.js';
import { pushCopy, READ_BUFFER, READ_BUFFER_OF_SOCKETS, READ_MEMBERS } from './read-buffer.js';
import {
  flowsAtOnce,
  handleOf,
  isAsMade,
  isOwnedBy,
  learnHandle,
  lookAt,
  pipeOver,
  socketOverDescriptor,
  type Made,
  startReading,
  stopReading,
  takeUnread,
  withoutThrowing,
} from './socket-handle.js';
import type { SocketProblem, SocketWatcher } from './socket-watcher.js';

// Marks of a socket: its holder has it for good, ends the connection, has unreferenced it; it needs a new socket.
const DETACHED = 1;
const ABANDONED = 2;
const AT_REST = 4;
const NEEDS_RESET = 64;
// In whose context the socket's callbacks run: its opener's, none (the first caller had none), this caller's.
const OPENERS_CONTEXT = 8;
const NO_CONTEXT = 16;
const CALLERS_CONTEXT = 32;

/**
 * The socket of a pooled connection, for one lease. A caller may change a `net.Socket` in countless ways:
 * listeners, encodings, pipes, corks, methods. So none is undone: the connection gets a new socket over the
 * same handle, and the caller's socket loses it. Later calls on it fail with `ERR_STREAM_DESTROYED` and reach
 * no other caller.
 *
 * The handle and the connection are private members: a console that prints the socket shows neither.
 */
export class PooledSocket extends Socket {
  /** Members of Node's own. */
  [internal: symbol]: unknown;
  #handle: StreamHandle | undefined;
  #watcher: SocketWatcher | undefined;
  /** Marks, one bit each: as fields of their own they would take 24 bytes more of each idle connection. */
  #marks = 0;

  private constructor(handle: StreamHandle | undefined, watcher: SocketWatcher | undefined) {
    // All of them, as in `socketOverDescriptor`; where the last is missing, Node looks for it at length.
    const options = {
      handle,
      manualStart: true,
      allowHalfOpen: false,
      emitClose: false,
      autoDestroy: true,
      decodeStrings: false,
      highWaterMark: getDefaultHighWaterMark(false),
    };
    super(options);
    if (READ_MEMBERS !== undefined && handle?.useUserBuffer !== undefined) {
      this[READ_MEMBERS.buffer] = READ_BUFFER_OF_SOCKETS;
      this[READ_MEMBERS.callback] = pushCopy;
    }
    this.#handle = handle;
    this.#watcher = watcher;
  }

  /**
   * A socket that owns `descriptor`, that of a Unix socket, from here on, for {@link PooledSocket.adopt}, which
   * then needs no other. It reads nothing until then.
   */
  static over(descriptor: number): Socket {
    const handle = pipeOver(descriptor);
    if (handle === undefined) return socketOverDescriptor(descriptor);
    if (READ_MEMBERS !== undefined) handle.useUserBuffer(READ_BUFFER);
    return new PooledSocket(handle, undefined);
  }

  /** Takes a connection and its unread bytes over from the socket that opened it; destroyed if it is dead. */
  static adopt(opened: Socket, watcher: SocketWatcher): PooledSocket {
    const handle = opened.readable && opened.writable ? handleOf(opened) : undefined;
    if (handle === undefined) {
      opened.on('error', () => {}).destroy();
      return new PooledSocket(undefined, watcher).destroy();
    }
    const isOver = #handle in opened;
    const greeting = isOver ? undefined : takeUnread(opened);
    if (!isOver) neuter(opened);
    const socket = isOver ? opened : new PooledSocket(handle, watcher);
    socket.#watcher = watcher;
    socket.#marks |= OPENERS_CONTEXT;
    made ??= lookAt(socket);
    learnHandle(handle, socket);
    // Once for each handle: Node keeps every buffer that it is given until the handle closes.
    if (!isOver && READ_MEMBERS !== undefined) handle.useUserBuffer?.(READ_BUFFER);
    PooledSocket.resumeReading(socket);
    if (greeting !== undefined) socket.unshift(greeting);
    return socket;
  }

  /**
   * The connection's socket for its next lease; the used one is dead from here on. Or why the connection cannot go
   * to another caller; `'unsent'`: not before its last bytes have left. State of the socket ends with the socket,
   * so only bytes and the handle count: a handle that is not as it was made may have been taken over by TLS,
   * http2 or an HTTP parser.
   */
  static renew(used: PooledSocket): PooledSocket | SocketProblem | 'unsent' {
    const handle = used.#handle;
    const watcher = used.#watcher;
    try {
      if (!isAsMade(used, made)) return 'dirty';
      if (used.destroyed || !used.readable || !used.writable) return used.errored ? 'error' : 'stale';
      const unsent = used.writableLength;
      if (used.readableLength > 0 || unsent > DRAINED_BYTES || used.connecting) return 'dirty';
      // An HTTP parser that has not been freed waits for the rest of a message.
      const { parser, _handle: current }: SocketInternals = used;
      if (parser || handle === undefined || watcher === undefined) return 'dirty';
      // A child process that has got the handle reads in place of this one.
      if (current !== handle || !isOwnedBy(handle, used) || !handle.reading) return 'dirty';
      // A handle that has been closed refuses.
      if (!startReading(handle)) return 'stale';
      if (unsent > 0) return 'unsent';
      // An idle connection runs in no caller's context, and must not keep one in memory.
      if (used.#marks & CALLERS_CONTEXT) outOfContext(() => handle.asyncReset?.({}));
      // Before the old socket lets go of the handle: where this throws, that one must still close it.
      const next = new PooledSocket(handle, watcher);
      neuter(used);
      used.#handle = undefined;
      used.#watcher = undefined;
      return next;
    } catch {
      // A member that a caller has put on the socket or the handle throws.
      return 'dirty';
    }
  }

  /** Gives the socket to its holder for good. */
  static detach(socket: PooledSocket): void {
    socket.#marks |= DETACHED;
    // Node's own again: an error without a listener is the holder's, and the override takes 2 % of an HTTP request.
    Reflect.set(socket, 'emit', Reflect.get(Socket.prototype, 'emit'));
  }

  /** The holder of a leased socket is about to end the connection: that says nothing about the backend. */
  static abandon(socket: Socket): void {
    if (#marks in socket) socket.#marks |= ABANDONED;
  }

  /** Whether the holder of a detached socket has unreferenced it, and uses it for nothing at present. */
  static isAtRest(socket: PooledSocket): boolean {
    return (socket.#marks & (DETACHED | AT_REST)) === (DETACHED | AT_REST);
  }

  /** A caller gets the socket, whose callbacks run in the asynchronous context of the first of these calls. */
  static enterContext(socket: PooledSocket): void {
    if (socket.#marks & (NO_CONTEXT | CALLERS_CONTEXT)) return;
    // To enter and to leave takes a fifteenth of a short request.
    const stays = !(socket.#marks & OPENERS_CONTEXT) && isOutOfContext();
    socket.#marks |= stays ? NO_CONTEXT : CALLERS_CONTEXT;
    if (!stays) socket.#handle?.asyncReset?.({});
  }

  /** Whether a caller has had the socket, or the backend has spoken: it must be renewed before the next lease. */
  static needsReset(socket: PooledSocket): boolean {
    return (socket.#marks & (NEEDS_RESET | NO_CONTEXT | CALLERS_CONTEXT)) !== 0;
  }

  /** The backend has spoken, or a check may have used the socket: it must be renewed before the next lease. */
  static markForReset(socket: PooledSocket): void {
    socket.#marks |= NEEDS_RESET;
  }

  /** Whether anything has ever arrived; not where a caller's own member throws. */
  static hasRead(socket: PooledSocket): boolean {
    return withoutThrowing(() => socket.bytesRead > 0) === true;
  }

  /** Closes the connection, even if a caller has replaced members of the socket. */
  static close(socket: PooledSocket): void {
    const handle = socket.#handle;
    try {
      const lost = handleOf(socket) !== handle;
      // Node calls it when the handle has closed, and a caller may have put anything in its place.
      if (typeof Reflect.get(socket, 'emit') !== 'function') Reflect.deleteProperty(socket, 'emit');
      Socket.prototype.destroy.call(socket);
      // A caller may have marked it as destroyed, replaced a method, or taken its handle away.
      if (handle !== undefined && (lost || handleOf(socket) === handle)) handle.close();
    } catch {
      // One of the members that a caller has put on the socket throws, or it is frozen.
      handle?.close();
    }
  }

  /** Stops reading at once, for a lent connection: `pause()` reads on until the stream's buffer is full. */
  static holdReading(socket: PooledSocket): void {
    if (socket.#handle !== undefined) stopReading(socket.#handle);
  }

  /** Reads again. Not by `read(0)`: the stream believes that a read is under way, and would not start one. */
  static resumeReading(socket: PooledSocket): void {
    if (socket.#handle === undefined || socket.destroyed || startReading(socket.#handle)) return;
    socket.destroy(new Error('cannot read from the connection any more'));
  }

  override ref(): this {
    this.#marks &= ~AT_REST;
    return super.ref();
  }

  override unref(): this {
    super.unref();
    this.#marks |= AT_REST;
    if (this.#marks & DETACHED) this.#watcher?.onRest();
    return this;
  }

  /** The handle calls this with the bytes that it has read; `null` is the end of the stream. */
  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    if (chunk === null) this.#watcher?.onEnd();
    else this.#watcher?.onBytes();
    return super.push(chunk, encoding);
  }

  /** These three as of a socket that reads as a stream does: one with `onread` stops and starts its handle here. */
  override pause(): this {
    Duplex.prototype.pause.call(this);
    return this;
  }

  override resume(): this {
    if (!flowsAtOnce(this)) Duplex.prototype.resume.call(this);
    return this;
  }

  override read(size?: number): unknown {
    return Duplex.prototype.read.call(this, size);
  }

  override _read(size: number): void {
    if (this.#watcher?.mustNotRead !== true) super._read(size);
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
    if (this.#marks & ABANDONED) watcher?.onDeath('destroyed');
    else watcher?.onDeath(error ? 'error' : 'stale');
  }

  /** An error without a listener ends the process; callers remove listeners, and a pooled socket must not. */
  override emit(event: string | symbol, ...values: unknown[]): boolean {
    const isUnheard = event === 'error' && super.listenerCount('error') === 0;
    return super.emit(isUnheard ? errorMonitor : event, ...values);
  }
}

/**
 * The accessor of these sockets alone. V8 has seen Node's own with each class of sockets of the process, and then
 * searches the members of a socket at each use.
 */
const handleSymbol = learnHandleSymbol();
if (handleSymbol !== undefined)
  Object.defineProperty(PooledSocket.prototype, '_handle', {
    ...Object.getOwnPropertyDescriptor(Socket.prototype, '_handle'),
    get(this: PooledSocket) {
      return this[handleSymbol];
    },
  });

let made: Made | undefined;
