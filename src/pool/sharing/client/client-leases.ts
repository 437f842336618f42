import { systemClock } from '../../../clock.js';
import { BrokerPoolError } from '../../../errors.js';
import { socketOverDescriptor } from '../../../os/socket-handle.js';
import { afterDrain } from '../../drain.js';
import { leaseOf, type Lease, type LeasedConnection } from '../../lease.js';
import type { CloseReason } from '../../pooled-connection.js';
import { PooledSocket } from '../../pooled-socket.js';
import { ClientConnection, type ClientConnectionOwner } from './client-connection.js';
import { DescriptorLedger } from '../ledger.js';
import type { ClientMessage, ConnectionInfo, HostMessage, SharedCloseReason } from '../protocol.js';

export type LeaseMessage = HostMessage & { readonly kind: 'lease' };

/**
 * Duplicates that one thread keeps at most, each a descriptor: beyond it every lease costs as much as the
 * first one of a connection.
 */
const KEPT_AT_MOST = 256;

/** What a shared pool does for its loans. */
export interface ClientLeasesOwner {
  post(message: ClientMessage): void;
  /** A lease is over. */
  onReturned(): void;
}

/**
 * The connections of another thread's pool that this thread has on lease, and those it has a socket for until
 * the next time.
 */
export class ClientLeases implements ClientConnectionOwner {
  readonly #owner: ClientLeasesOwner;
  readonly #ledger = new DescriptorLedger();
  /** Those that the pool has not closed, by number. */
  readonly #connections = new Map<number, ClientConnection>();
  readonly #leased = new Set<LeasedConnection>();
  /** Those whose leases have ended, and whose last bytes have not left yet. */
  readonly #draining = new Map<ClientConnection, () => void>();

  constructor(owner: ClientLeasesOwner) {
    this.#owner = owner;
  }

  /**
   * How many connections the pool has still to get back: leases that are out, and those whose last bytes have
   * not left yet.
   */
  get out(): number {
    return this.#leased.size + this.#draining.size;
  }

  addPage(page: SharedArrayBuffer): void {
    this.#ledger.addPage(page);
  }

  /**
   * The lease that is offered, or `undefined` if there is nothing behind it any more, and the pool knows.
   *
   * @throws {BrokerPoolError} `WORKER_FAILED` if this thread cannot make a socket of it; the connection is
   * given up then
   */
  accept(message: LeaseMessage): Lease | undefined {
    const connection = message.slot < 0 ? this.#wake(message) : this.#takeOver(message);
    if (connection === undefined) return undefined;
    this.#leased.add(connection);
    return leaseOf(connection);
  }

  /** Nobody wants the lease any more. A descriptor that is offered with it stays where it is. */
  decline({ acquireId, connectionId, slot, info }: LeaseMessage): void {
    wipeToken(info);
    this.#owner.post({
      kind: 'release',
      acquireId,
      kept: slot < 0 && this.#connections.has(connectionId),
      everReceived: false,
    });
  }

  /** The pool has closed a connection. */
  onGone(connectionId: number): void {
    const connection = this.#connections.get(connectionId);
    this.#connections.delete(connectionId);
    if (connection === undefined) return;
    this.#stopDraining(connection);
    connection.destroy();
  }

  onRelease(leased: LeasedConnection): void {
    this.#leased.delete(leased);
    const connection = this.#connections.get(leased.id);
    // One that the pool has closed meanwhile is not expected back.
    if (connection === leased) this.#giveBack(connection);
    this.#owner.onReturned();
  }

  onDeath(connection: ClientConnection, problem: SharedCloseReason): void {
    // One that this thread or the pool has closed is not known any more.
    if (this.#connections.get(connection.id) !== connection) return;
    this.#leased.delete(connection);
    this.#destroy(connection, problem);
    this.#owner.onReturned();
  }

  onDestroy(leased: LeasedConnection, reason: CloseReason): void {
    this.#leased.delete(leased);
    const connection = this.#connections.get(leased.id);
    if (connection === leased)
      this.#destroy(connection, reason === 'error' || reason === 'invalid' ? reason : 'destroyed');
    this.#owner.onReturned();
  }

  /**
   * Destroys everything, without a word to the pool. Leases that are out stay with their callers, good for
   * nothing.
   */
  abandon(): void {
    for (const connectionId of Array.from(this.#connections.keys())) this.onGone(connectionId);
    this.#leased.clear();
    // A thread that has ended closes nothing any more. A socket closes a descriptor without FFI, which this
    // thread need not load.
    this.#ledger.takeRest((descriptor) => socketOverDescriptor(descriptor).destroy());
  }

  #wake({ acquireId, connectionId }: LeaseMessage): ClientConnection | undefined {
    const connection = this.#connections.get(connectionId);
    if (connection === undefined) return undefined;
    connection.acquireId = acquireId;
    connection.wake();
    // It may have died just now, which the pool has been told then.
    return this.#connections.has(connectionId) ? connection : undefined;
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
      this.#ledger.putBack(slot, descriptor);
      this.#owner.post({ kind: 'destroy', acquireId, reason: 'error' });
      throw new BrokerPoolError(
        'WORKER_FAILED',
        'failed to take over a connection from the thread of the pool',
        { cause },
      );
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
    this.#owner.post({ kind: 'release', acquireId: connection.acquireId, kept, everReceived });
  }

  /** Gives a connection back when its last bytes have left. */
  #drain(connection: ClientConnection): void {
    const stop = afterDrain(connection.socket, systemClock, (drained) => {
      this.#draining.delete(connection);
      if (drained) this.#giveBack(connection);
      else this.#destroy(connection, 'dirty');
      this.#owner.onReturned();
    });
    this.#draining.set(connection, stop);
  }

  #stopDraining(connection: ClientConnection): void {
    this.#draining.get(connection)?.();
    this.#draining.delete(connection);
  }

  #destroy(connection: ClientConnection, reason: SharedCloseReason): void {
    this.onGone(connection.id);
    this.#owner.post({ kind: 'destroy', acquireId: connection.acquireId, reason });
  }
}

function wipeToken(info: ConnectionInfo | undefined): void {
  info?.negotiation?.handoffToken?.fill(0);
}
