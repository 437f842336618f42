/**
 * A connection to a broker that is only read, without a stream: to make and to end a `net.Socket` takes a seventh
 * of a negotiation, and its reads allocate 64 KiB each.
 */
import { pipeOver, type PipeHandle } from './socket-handle.js';

/** What is told of a {@link ReplyChannel}. */
export interface ChannelListener {
  /** Gets each piece of what arrives, in memory that is overwritten as soon as it returns. */
  readonly onBytes: (bytes: Uint8Array) => void;
  /** The peer has ended the connection, or reading has failed: nothing more arrives. */
  readonly onEnd: () => void;
}

/** Shared by all channels: each piece has been consumed before the next one of any channel is read. */
const RECEIVED = new Uint8Array(64 * 1024);

export class ReplyChannel {
  readonly #handle: PipeHandle;
  #listener: ChannelListener;
  #bytesRead = 0;

  private constructor(handle: PipeHandle, listener: ChannelListener) {
    this.#handle = handle;
    this.#listener = listener;
    handle.useUserBuffer(RECEIVED);
    handle.onread = () => this.#onRead();
  }

  /**
   * A channel that owns `descriptor`, that of a connected Unix socket, and reads from now on. `undefined` where
   * Node's handles cannot be used so, and before the first socket: the descriptor is still the caller's then.
   */
  static over(descriptor: number, listener: ChannelListener): ReplyChannel | undefined {
    const handle = pipeOver(descriptor);
    if (handle === undefined) return undefined;
    const channel = new ReplyChannel(handle, listener);
    handle.readStart();
    return channel;
  }

  /** Tells `listener` from now on. */
  listen(listener: ChannelListener): void {
    this.#listener = listener;
  }

  /** The channel no longer keeps the process alive. */
  unref(): void {
    this.#handle.unref();
  }

  close(): void {
    this.#handle.close();
  }

  /** The number of bytes that Node hands to a socket's stream stays inside Node, so the handle's count tells it. */
  #onRead(): void {
    const count = this.#handle.bytesRead - this.#bytesRead;
    if (count === 0) return this.#listener.onEnd();
    this.#bytesRead += count;
    const bytes = RECEIVED.subarray(0, count);
    this.#listener.onBytes(bytes);
    // There may be a token in it.
    bytes.fill(0);
  }
}
