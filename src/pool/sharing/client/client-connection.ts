import type { Route } from '../../../negotiation/job.js';
import { socketOverDescriptor } from '../../../os/socket-handle.js';
import type { LeasedConnection, LeaseOwner } from '../../lease.js';
import { Negotiation } from '../../negotiation.js';
import { PooledSocket, type SocketProblem, type SocketWatcher } from '../../pooled-socket.js';
import type { ConnectionInfo } from '../protocol.js';

/** The leases of a thread, as its connections see them. */
export interface ClientConnectionOwner extends LeaseOwner {
  /** The socket is closed, by the peer, its caller or this thread itself. */
  onDeath(connection: ClientConnection, problem: 'error' | 'stale'): void;
}

/**
 * A connection of a shared pool in the thread that uses it: a duplicate of the descriptor, and a socket over
 * that. Duplicating one costs more than the rest of a lease, so it stays for the next lease of the same
 * connection. Meanwhile others have the connection, and it must not read.
 */
export class ClientConnection implements LeasedConnection, SocketWatcher {
  readonly id: number;
  socket: PooledSocket;
  readonly endpoint: string;
  readonly route: Route;
  readonly negotiation: Negotiation | undefined;
  readonly owner: ClientConnectionOwner;
  needsReset = false;
  /** Another thread has it, or none. */
  isLent = false;
  #ended = false;
  /** The acquire that led to the current lease, or to the last one. */
  acquireId: number;

  /** Owns the descriptor from here on, unless it throws. It is on lease, and reads. */
  constructor(
    id: number,
    acquireId: number,
    descriptor: number,
    info: ConnectionInfo,
    owner: ClientConnectionOwner,
  ) {
    this.id = id;
    this.acquireId = acquireId;
    this.endpoint = info.endpoint;
    this.route = info.route;
    this.negotiation =
      info.negotiation && new Negotiation(info.negotiation.negotiated, info.negotiation.handoffToken);
    this.owner = owner;
    this.socket = PooledSocket.adopt(socketOverDescriptor(descriptor), this);
  }

  /** Closes this thread's socket. */
  destroy(): void {
    PooledSocket.close(this.socket);
    this.negotiation?.wipeToken();
  }

  /** Begins another lease: what arrives from now on is for its caller. */
  wake(): void {
    this.socket.ref();
    this.isLent = false;
    PooledSocket.resumeReading(this.socket);
  }

  /**
   * Ends a lease. From now on what arrives is another caller's; what this one did not take, or left behind,
   * is a problem. `'unsent'`: its last bytes must leave first, and the lease be ended again.
   */
  rest(): SocketProblem | 'unsent' | undefined {
    if (this.#ended) return 'stale';
    if (this.needsReset) {
      const problem = PooledSocket.problemOf(this.socket);
      if (problem !== undefined) return problem;
      const next = PooledSocket.renew(this.socket);
      if (next === undefined) return 'dirty';
      this.socket = next;
      this.needsReset = false;
    }
    this.isLent = true;
    PooledSocket.holdReading(this.socket);
    this.socket.unref();
    return undefined;
  }

  onBytes(): void {
    this.needsReset = true;
  }

  onEnd(): void {
    this.#ended = true;
  }

  beforeClose(): void {}

  onDeath(problem: 'error' | 'stale'): void {
    this.owner.onDeath(this, problem);
  }
}
