import type { DescriptorCalls } from '../../../os/descriptors.js';
import { wouldBlock } from '../../../os/errno.js';
import { descriptorOf } from '../../../os/socket-handle.js';
import type { PooledConnection, SharedWith } from '../../pooled-connection.js';
import { PooledSocket, type SocketProblem } from '../../pooled-socket.js';

/** A worker's port, as a lent connection sees it. */
export interface Holder {
  /** The connection is closed, whether this one has it on lease or only kept a duplicate. */
  onGone(connection: HostConnection): void;
}

/**
 * A pooled connection that has been lent to other threads, each of which may keep a duplicate of its
 * descriptor. Its own socket stays in this thread, and reads only while nobody has it on lease.
 */
export class HostConnection implements SharedWith {
  readonly connection: PooledConnection;
  everReceived = false;
  isLent = false;
  readonly #calls: DescriptorCalls;
  readonly #holders = new Set<Holder>();

  constructor(connection: PooledConnection, calls: DescriptorCalls) {
    this.connection = connection;
    this.#calls = calls;
    connection.sharedWith = this;
  }

  get id(): number {
    return this.connection.id;
  }

  isHeldBy(holder: Holder): boolean {
    return this.#holders.has(holder);
  }

  /** A descriptor for another thread, or the negated errno. It is the caller's until somebody takes it. */
  duplicateFor(holder: Holder): number {
    const descriptor = this.#calls.duplicate(descriptorOf(this.connection.socket));
    if (descriptor >= 0) this.#holders.add(holder);
    return descriptor;
  }

  /** The thread has no duplicate any more. */
  forget(holder: Holder): void {
    this.#holders.delete(holder);
  }

  /**
   * From here on, whatever arrives is the other thread's. Returns what has been read before: a backend's
   * greeting, the first caller's due.
   */
  lend(): Uint8Array | undefined {
    const { socket } = this.connection;
    this.isLent = true;
    PooledSocket.holdReading(socket);
    if (socket.readableLength === 0) return undefined;
    // Without a length newer Nodes return the first chunk only.
    const greeting: Uint8Array = socket.read(socket.readableLength);
    // A copy: a message takes along the whole memory of what is in it.
    return new Uint8Array(greeting);
  }

  /** The other thread has left it in good order. Returns what has gone wrong since. */
  takeBack(): SocketProblem | undefined {
    const { socket } = this.connection;
    // What came after the other thread stopped reading is still in the kernel, and no event tells of it
    // before somebody else may have it.
    const peeked = this.#calls.peek(descriptorOf(socket));
    if (peeked === 0) return 'stale';
    if (peeked > 0) return 'dirty';
    if (!wouldBlock(peeked)) return 'error';
    this.isLent = false;
    PooledSocket.resumeReading(socket);
    return undefined;
  }

  /**
   * Duplicates keep a connection alive that this thread has closed. So it is shut down for all of them first,
   * and a backend sees the end at once, however busy the other threads are.
   */
  onClosing(): void {
    this.#calls.shutdown(descriptorOf(this.connection.socket));
    for (const holder of this.#holders) holder.onGone(this);
    this.#holders.clear();
  }
}
