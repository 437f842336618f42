import type { DescriptorCalls } from '../../os/descriptors.js';
import { wouldBlock } from '../../os/errno.js';
import { descriptorOf, takeUnread } from '../../os/socket-handle.js';
import { copyOf } from '../../wire/frame.js';
import type { CloseReason } from '../../pool/close-reason.js';
import type { SharedWith } from '../../pool/shared-with.js';
import type { PooledConnection } from '../../pool/pooled-connection.js';
import { PooledSocket } from '../../os/pooled-socket.js';
import type { SocketProblem } from '../../os/socket-watcher.js';
import type { Claimable } from './claimable.js';

/**
 * Tells a client that has a duplicate: the connection is closed, or it is to close as soon as it is at rest, if the
 * client has it detached, or the client may no longer claim it.
 */
export type TellClient = (connection: HostConnection, news: 'gone' | 'retire' | 'forbid claims') => void;

/**
 * A pooled connection that clients have duplicates of. Its own socket stays in this thread, and reads only while no
 * client has the connection on lease.
 */
export class HostConnection implements SharedWith {
  readonly pooled: PooledConnection;
  readonly clients = new Set<TellClient>();
  everReceived = false;
  /** Also while a client may claim it: neither reads then. */
  isLeasedElsewhere = false;
  /** While it is idle, and a client may claim it. */
  claimable: Claimable | undefined;
  readonly #calls: DescriptorCalls;

  private constructor(pooled: PooledConnection, calls: DescriptorCalls) {
    this.pooled = pooled;
    this.#calls = calls;
  }

  /** The same object for each call with the same connection. */
  static of(pooled: PooledConnection, calls: DescriptorCalls): HostConnection {
    if (pooled.sharedWith instanceof HostConnection) return pooled.sharedWith;
    const connection = new HostConnection(pooled, calls);
    pooled.sharedWith = connection;
    return connection;
  }

  /** Another descriptor of the connection, or the negated errno. */
  duplicate(): number {
    return this.#calls.duplicate(descriptorOf(this.pooled.socket));
  }

  /**
   * Stops reading: from here on the bytes belong to the client. Returns a greeting of the backend that
   * has been read before, which belongs to the first caller.
   */
  lend(): Uint8Array | undefined {
    const { socket } = this.pooled;
    this.isLeasedElsewhere = true;
    PooledSocket.holdReading(socket);
    const greeting = takeUnread(socket);
    // A copy: a message takes along the whole buffer of a view.
    return greeting && copyOf(greeting);
  }

  /** Reads again after a lease in a client, or returns why no other caller may get the connection. */
  takeBack(): SocketProblem | undefined {
    const { socket } = this.pooled;
    // Bytes that came after the client stopped reading are still in the kernel. Node would report them
    // only when the next caller has the connection.
    const peeked = this.#calls.peek(descriptorOf(socket));
    if (peeked === 0) return 'stale';
    if (peeked > 0) return 'dirty';
    if (!wouldBlock(peeked)) return 'error';
    this.isLeasedElsewhere = false;
    PooledSocket.resumeReading(socket);
    return socket.destroyed ? 'error' : undefined;
  }

  recall(): SocketProblem | 'claimed' | undefined {
    const { claimable } = this;
    if (claimable === undefined) return undefined;
    this.claimable = undefined;
    return claimable.take(this.pooled) ? this.takeBack() : 'claimed';
  }

  forbidClaims(): void {
    for (const tell of this.clients) tell(this, 'forbid claims');
  }

  /** Ends the lease in the pool. With a problem the connection closes. */
  giveBack(problem: CloseReason | undefined): void {
    const { owner } = this.pooled;
    if (problem === undefined) owner.onRelease(this.pooled);
    else owner.onDestroy(this.pooled, problem);
  }

  retire(): void {
    for (const tell of this.clients) tell(this, 'retire');
  }

  /**
   * Shuts the connection down before this thread closes it: the duplicates would keep it open, and the backend must
   * see the end at once, however busy the clients are.
   */
  onClosing(): void {
    this.#calls.shutdown(descriptorOf(this.pooled.socket));
    this.claimable = undefined;
    for (const tell of this.clients) tell(this, 'gone');
    this.clients.clear();
  }
}
