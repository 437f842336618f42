import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { BrokerPoolError } from '../errors.js';
import type { LeasingPool } from '../pool/leasing-pool.js';
import type { TargetOptions } from '../pool/options.js';
import { asError } from './pool-arguments.js';

interface PendingCall {
  readonly run: (socket: Socket) => void;
  readonly callback: (error?: Error | null) => void;
}

/**
 * A socket that connects later, for libraries that want one at once. Bytes that are written before then wait.
 * Afterwards the socket passes all bytes on to a detached socket of the pool, and back.
 */
export class LateSocket extends Duplex {
  /** As of a `net.Socket`. */
  connecting = true;
  readonly #abort = new AbortController();
  #socket: Socket | undefined;
  /** Method calls that wait for the socket. */
  readonly #calls: ((socket: Socket) => void)[] = [];
  /** The write, or the end, that waits for the socket: a stream has one of them under way at a time. */
  #pending: PendingCall | undefined;
  /** The backend has ended its side. */
  #hasEnded = false;

  constructor(pool: LeasingPool, target: TargetOptions | undefined) {
    // Ends its side when the backend does, as a `net.Socket` does.
    super({ allowHalfOpen: false, decodeStrings: false });
    void this.#connect(pool, target);
  }

  /** The connect has begun already; pg calls this with a port and a host, which do not matter. */
  connect(): this {
    return this;
  }

  setNoDelay(noDelay?: boolean): this {
    return this.#with((socket) => socket.setNoDelay(noDelay));
  }

  setKeepAlive(enable?: boolean, initialDelayMs?: number): this {
    return this.#with((socket) => socket.setKeepAlive(enable, initialDelayMs));
  }

  /** The caller's use is over for now: see `Lease.detach`. */
  unref(): this {
    return this.#with((socket) => socket.unref());
  }

  ref(): this {
    return this.#with((socket) => socket.ref());
  }

  override _read(): void {
    this.#socket?.resume();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#whenReady(callback, (socket) => socket.write(chunk, encoding, callback));
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#whenReady(callback, (socket) => socket.end(() => callback()));
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#abort.abort();
    this.#socket?.destroy();
    const pending = this.#pending;
    this.#pending = undefined;
    callback(error);
    pending?.callback(
      error ?? new BrokerPoolError('ABORTED', 'the stream was destroyed before it had a connection'),
    );
  }

  async #connect(pool: LeasingPool, target: TargetOptions | undefined): Promise<void> {
    let socket: Socket;
    try {
      socket = (await pool.acquire({ ...target, signal: this.#abort.signal })).detach();
    } catch (error) {
      // The wait was aborted by this stream itself, which is no error.
      if (!this.destroyed) this.destroy(asError(error));
      return;
    }
    if (this.destroyed) return void socket.destroy();
    this.#socket = socket;
    this.connecting = false;
    socket.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) socket.pause();
    });
    socket.on('end', () => {
      this.#hasEnded = true;
      this.push(null);
    });
    socket.on('error', (error) => this.destroy(error));
    // Behind an end the caller may still have bytes to read.
    socket.on('close', () => this.#hasEnded || this.destroy());
    for (const call of this.#calls.splice(0)) call(socket);
    this.emit('connect');
    this.emit('ready');
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.run(socket);
  }

  #with(call: (socket: Socket) => void): this {
    if (this.#socket === undefined) this.#calls.push(call);
    else call(this.#socket);
    return this;
  }

  #whenReady(callback: PendingCall['callback'], run: PendingCall['run']): void {
    if (this.#socket === undefined) this.#pending = { run, callback };
    else run(this.#socket);
  }
}
