/**
 * A connection to a broker that is only read, without a stream: to make and to end a `net.Socket` takes a seventh
 * of a negotiation, and its reads allocate 64 KiB each.
 */
import { systemClock } from '../clock.js';
import type { SystemFailure } from '../errors.js';
import { systemFailure, wouldBlock } from './errno.js';
import type { SystemCalls } from './native.js';
import { pipeOver, type PipeHandle } from './socket-handle.js';

/** Gets the bytes of each read, in memory that is overwritten as soon as it returns. */
export type OnBytes = (bytes: Uint8Array) => void;
/** The peer has ended the connection, or reading has failed with `failure`: nothing more arrives. */
export type OnEnd = (failure?: SystemFailure) => void;

/** Shared by all channels: each piece has been consumed before the next one of any channel is read. */
const RECEIVED = new Uint8Array(64 * 1024);

const NOTHING = (): void => {};

export class ReplyChannel {
  readonly #system: SystemCalls;
  readonly #handle: PipeHandle;
  #onBytes: OnBytes;
  #onEnd: OnEnd;
  #bytesRead = 0;

  private constructor(system: SystemCalls, handle: PipeHandle, onBytes: OnBytes, onEnd: OnEnd) {
    this.#system = system;
    this.#handle = handle;
    this.#onBytes = onBytes;
    this.#onEnd = onEnd;
    handle.useUserBuffer(RECEIVED);
    const onRead = (): void => this.#onRead();
    // Not in one line: V8 makes a function in the old generation where it is written as a property's new value.
    handle.onread = onRead;
  }

  /**
   * A channel that owns `descriptor`, that of a connected Unix socket, and reads from now on. `undefined` where
   * Node's handles cannot be used so, and before the first socket: the descriptor is still the caller's then.
   */
  static over(
    system: SystemCalls,
    descriptor: number,
    onBytes: OnBytes,
    onEnd: OnEnd,
  ): ReplyChannel | undefined {
    const handle = pipeOver(descriptor);
    if (handle === undefined) return undefined;
    const channel = new ReplyChannel(system, handle, onBytes, onEnd);
    const started = handle.readStart();
    // Later: no function of the caller is called before it has the channel.
    if (started !== 0) systemClock.afterTurn(() => channel.#end(started));
    return channel;
  }

  /** Calls these functions from now on. */
  listen(onBytes: OnBytes, onEnd: OnEnd): void {
    this.#onBytes = onBytes;
    this.#onEnd = onEnd;
  }

  /** The channel no longer keeps the process alive. */
  unref(): void {
    this.#handle.unref();
  }

  close(): void {
    this.#onEnd = NOTHING;
    this.#handle.close();
  }

  /** Closes: there is no stream to keep. */
  detach(): undefined {
    this.close();
  }

  /**
   * The number of bytes that Node hands to a socket's stream stays inside Node, so the handle's count tells it.
   * Where it has not grown, the connection has ended, or a read that filled the buffer was followed by one that
   * found nothing: the kernel tells which.
   */
  #onRead(): void {
    const read = this.#handle.bytesRead - this.#bytesRead;
    this.#bytesRead += read;
    const count = read > 0 ? read : this.#system.receive(this.#handle.fd, RECEIVED);
    if (wouldBlock(count)) return;
    if (count <= 0) return this.#end(count);
    const bytes = RECEIVED.subarray(0, count);
    this.#onBytes(bytes);
    // There may be a token in it.
    bytes.fill(0);
  }

  /** @param result of the last read: 0, or the negated errno */
  #end(result: number): void {
    this.#onEnd(result < 0 ? systemFailure('read', result) : undefined);
  }
}
