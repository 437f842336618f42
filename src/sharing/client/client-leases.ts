import { systemClock } from '../../clock.js';
import { BrokerPoolError } from '../../errors.js';
import { DescriptorLedger } from '../../os/descriptor-ledger.js';
import { socketOverDescriptor } from '../../os/socket-handle.js';
import { afterDrain } from '../../os/drain.js';
import { leaseOf, type Lease, type LeasedConnection, type LeaseOwner } from '../../pool/lease.js';
import type { CloseReason } from '../../pool/close-reason.js';
import { PooledSocket } from '../../os/pooled-socket.js';
import {
  isSharedCloseReason,
  type ClientMessage,
  type ConnectionInfo,
  type HostMessage,
  type SharedCloseReason,
} from '../protocol.js';
import { ClientConnection } from './client-connection.js';

export type LeaseMessage = HostMessage & { readonly kind: 'lease' };

/**
 * Sockets that one thread keeps between leases, each a descriptor. Beyond it every lease costs as much as the
 * first one of a connection.
 */
const KEPT_AT_MOST = 256;

/** The leases that this thread has from the pool of another, and the sockets that it keeps between them. */
export class ClientLeases implements LeaseOwner {
  readonly #post: (message: ClientMessage) => void;
  readonly #onReturned: () => void;
  readonly #ledger: DescriptorLedger;
  /** By number, without those that the pool has closed. */
  readonly #connections = new Map<number, ClientConnection>();
  readonly #leased = new Set<LeasedConnection>();
  /** Connections that their holders have for good. */
  readonly #detached = new Set<ClientConnection>();
  #retiring = false;
  /** Connections whose leases have ended, and whose last bytes have not left yet. */
  readonly #draining = new Map<ClientConnection, () => void>();

  /**
   * @param ledger the memory of the pool's ledger
   * @param post sends a message to the pool's thread
   * @param onReturned is called after each lease that ends
   */
  constructor(ledger: SharedArrayBuffer, post: (message: ClientMessage) => void, onReturned: () => void) {
    this.#ledger = new DescriptorLedger(ledger);
    this.#post = post;
    this.#onReturned = onReturned;
  }

  /** How many connections the pool has still to get back; detached ones count once they are to close. */
  get out(): number {
    return this.#leased.size + this.#draining.size + (this.#retiring ? this.#detached.size : 0);
  }

  /** Closes detached connections as soon as they are at rest. */
  retireAll(): void {
    this.#retiring = true;
    for (const connection of Array.from(this.#detached)) connection.retire();
  }

  /**
   * The lease that is offered, or `undefined` if its connection has closed; the pool knows that already.
   *
   * @throws {BrokerPoolError} `WORKER_FAILED` if this thread cannot make a socket of the descriptor; the
   * connection is given up then
   */
  accept(message: LeaseMessage): Lease | undefined {
    const connection = message.slot < 0 ? this.#wake(message) : this.#takeOver(message);
    if (connection === undefined) return undefined;
    this.#leased.add(connection);
    return leaseOf(connection);
  }

  /** Returns a lease whose caller has given up. A descriptor that is offered with it stays in the ledger. */
  decline({ acquireId, connectionId, slot, info }: LeaseMessage): void {
    wipeToken(info);
    const kept = slot < 0 && this.#connections.has(connectionId);
    this.#post({ kind: 'release', acquireId, kept, everReceived: false });
  }

  onGone(connectionId: number): void {
    const connection = this.#connections.get(connectionId);
    if (connection === undefined) return;
    this.#connections.delete(connectionId);
    this.#detached.delete(connection);
    this.#draining.get(connection)?.();
    this.#draining.delete(connection);
    connection.destroy();
  }

  /** The pool wants a detached connection closed as soon as it is at rest. */
  onRetire(connectionId: number): void {
    this.#connections.get(connectionId)?.retire();
  }

  onDetach(leased: LeasedConnection): void {
    this.#leased.delete(leased);
    const connection = this.#current(leased);
    if (connection !== undefined) {
      this.#detached.add(connection);
      connection.detach();
      this.#post({ kind: 'detach', acquireId: connection.acquireId });
      if (this.#retiring) connection.retire();
    }
    this.#onReturned();
  }

  onRelease(leased: LeasedConnection): void {
    this.#leased.delete(leased);
    const connection = this.#current(leased);
    if (connection !== undefined) this.#giveBack(connection);
    this.#onReturned();
  }

  onDestroy(leased: LeasedConnection, reason: CloseReason): void {
    this.#leased.delete(leased);
    const connection = this.#current(leased);
    if (connection !== undefined)
      this.#destroy(connection, isSharedCloseReason(reason) ? reason : 'destroyed');
    this.#onReturned();
  }

  /** Destroys everything without telling the pool. Callers keep their leases, whose sockets are closed. */
  abandon(): void {
    for (const connectionId of Array.from(this.#connections.keys())) this.onGone(connectionId);
    this.#leased.clear();
    // The pool's thread may have ended, and closes nothing any more. A socket closes a descriptor without
    // FFI, which this thread need not load.
    this.#ledger.takeRest((descriptor) => socketOverDescriptor(descriptor).destroy());
  }

  /** `undefined` for a connection that the pool or this thread has closed. */
  #current(leased: LeasedConnection): ClientConnection | undefined {
    const connection = this.#connections.get(leased.id);
    return connection === leased ? connection : undefined;
  }

  #wake({ acquireId, connectionId }: LeaseMessage): ClientConnection | undefined {
    this.#connections.get(connectionId)?.wake(acquireId);
    // Reading may have shown that it is dead; the pool has been told then.
    return this.#connections.get(connectionId);
  }

  #takeOver({ acquireId, connectionId, slot, info, greeting }: LeaseMessage): ClientConnection | undefined {
    const descriptor = this.#ledger.take(slot);
    if (descriptor === undefined || info === undefined) {
      wipeToken(info);
      return undefined;
    }
    let connection: ClientConnection;
    try {
      connection = new ClientConnection(connectionId, acquireId, descriptor, info, this);
    } catch (cause) {
      wipeToken(info);
      this.#ledger.offer(slot, descriptor);
      this.#post({ kind: 'destroy', acquireId, reason: 'error' });
      const message = 'failed to take over a connection from the thread of the pool';
      throw new BrokerPoolError('WORKER_FAILED', message, { cause });
    }
    this.#ledger.settle(slot);
    if (greeting !== undefined) connection.socket.unshift(greeting);
    this.#connections.set(connectionId, connection);
    return connection;
  }

  #giveBack(connection: ClientConnection): void {
    const problem = connection.rest();
    if (problem === 'unsent') return this.#drain(connection);
    if (problem !== undefined) return this.#destroy(connection, problem);
    const kept = this.#connections.size <= KEPT_AT_MOST;
    const everReceived = PooledSocket.hasRead(connection.socket);
    if (!kept) this.onGone(connection.id);
    this.#post({ kind: 'release', acquireId: connection.acquireId, kept, everReceived });
  }

  /** Gives a connection back when its last bytes have left. */
  #drain(connection: ClientConnection): void {
    const stop = afterDrain(connection.socket, systemClock, (drained) => {
      this.#draining.delete(connection);
      if (drained) this.#giveBack(connection);
      else this.#destroy(connection, 'dirty');
      this.#onReturned();
    });
    this.#draining.set(connection, stop);
  }

  #destroy(connection: ClientConnection, reason: SharedCloseReason): void {
    this.onGone(connection.id);
    this.#post({ kind: 'destroy', acquireId: connection.acquireId, reason });
  }
}

function wipeToken(info: ConnectionInfo | undefined): void {
  info?.negotiation?.handoffToken?.fill(0);
}
