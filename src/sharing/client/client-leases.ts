import { systemClock } from '../../clock.js';
import { BrokerPoolError } from '../../errors.js';
import type { TargetOptions } from '../../pool/options.js';
import { loadDescriptorCalls } from '../../os/descriptors.js';
import { DescriptorLedger } from '../../os/descriptor-ledger.js';
import { loadedNative } from '../../os/native.js';
import { socketOverDescriptor } from '../../os/socket-handle.js';
import { afterDrain } from '../../os/drain.js';
import { leaseOf, type Lease, type LeasedConnection, type LeaseOwner } from '../../pool/lease.js';
import type { CloseReason } from '../../pool/close-reason.js';
import { PooledSocket } from '../../os/pooled-socket.js';
import {
  isSharedCloseReason,
  type ClaimMemory,
  type ConnectionInfo,
  type HostMessage,
  type SharedCloseReason,
} from '../protocol.js';
import { ClaimWords } from '../claim-words.js';
import { ClientConnection, type Claim } from './client-connection.js';
import type { HostLink } from './host-link.js';

export type LeaseMessage = HostMessage & { readonly kind: 'lease' };
type Wakeup = Pick<LeaseMessage, 'acquireId' | 'connectionId'>;

/**
 * Sockets that one thread keeps between leases, each a descriptor. Beyond it every lease costs as much as the
 * first one of a connection.
 */
const KEPT_AT_MOST = 256;

/** The leases that this thread has from the pool of another, and the sockets that it keeps between them. */
export class ClientLeases implements LeaseOwner {
  readonly #host: HostLink;
  readonly #onChange: () => void;
  readonly #ledger: DescriptorLedger;
  /** By number, without those that the pool has closed. */
  readonly #connections = new Map<number, ClientConnection>();
  /** How many leases are out. The tables of a `Set` would burden the garbage collector, see `Fifo`. */
  #leased = 0;
  /** Connections that this thread may claim, the last one last. */
  readonly #offered: ClientConnection[] = [];
  /** Whether the end of this turn will age the connections that were given back in it. */
  #isAgeing = false;
  /** Connections that their holders have for good. */
  readonly #detached = new Set<ClientConnection>();
  #retiring = false;
  /** Connections whose leases have ended, and whose last bytes have not left yet. */
  readonly #draining = new Map<ClientConnection, () => void>();

  /**
   * @param ledger the memory of the pool's ledger
   * @param host hears of leases that end, or begin by a claim
   * @param onChange is called after each lease that ends
   */
  constructor(ledger: SharedArrayBuffer, host: HostLink, onChange: () => void) {
    this.#ledger = new DescriptorLedger(ledger);
    this.#host = host;
    this.#onChange = onChange;
  }

  /** How many connections the pool has still to get back; detached ones count once they are to close. */
  get out(): number {
    return this.#leased + this.#draining.size + (this.#retiring ? this.#detached.size : 0);
  }

  get endedBy(): BrokerPoolError | undefined {
    return this.#host.endedBy;
  }

  /** Closes detached connections as soon as they are at rest. */
  retireAll(): void {
    this.#retiring = true;
    for (const connection of Array.from(this.#detached)) connection.retire();
  }

  /**
   * The lease that is offered, or `undefined` if its connection has closed; the pool knows that already.
   *
   * @param target which the acquire names
   * @throws {BrokerPoolError} `WORKER_FAILED` if this thread cannot make a socket of the descriptor; the
   * connection is given up then
   */
  accept(message: LeaseMessage, target: TargetOptions): Lease | undefined {
    const connection = message.slot < 0 ? this.#wake(message) : this.#takeOver(message, target);
    if (connection === undefined) return undefined;
    return this.#lease(connection);
  }

  /**
   * The lease of a connection that this thread has just given back, without asking the pool; `undefined`
   * where it must ask. A caller may not overtake those that wait.
   */
  claim(acquireId: number, target: TargetOptions): Lease | undefined {
    while (this.#offered.at(-1)?.isOffered === false) this.#offered.pop();
    const connection = this.#offered.findLast((each) => each.tryClaim(target));
    if (connection === undefined) return undefined;
    const { id: connectionId } = connection;
    this.#host.claim(acquireId, connectionId);
    // Reading may show that it is dead; the pool is told then.
    if (this.#wake({ acquireId, connectionId }) === undefined) return undefined;
    return this.#lease(connection);
  }

  /** Returns a lease whose caller has given up. A descriptor that is offered with it stays in the ledger. */
  decline({ acquireId, connectionId, slot, info }: LeaseMessage): void {
    wipeToken(info);
    const kept = slot < 0 && this.#connections.has(connectionId);
    this.#host.release(acquireId, kept, false, 0);
  }

  onGone(connectionId: number): void {
    const connection = this.#connections.get(connectionId);
    if (connection === undefined) return;
    this.#connections.delete(connectionId);
    this.#detached.delete(connection);
    this.#withdraw(connection);
    this.#draining.get(connection)?.();
    this.#draining.delete(connection);
    connection.destroy();
  }

  /** The pool wants a detached connection closed as soon as it is at rest. */
  onRetire(connectionId: number): void {
    this.#connections.get(connectionId)?.retire();
  }

  onDetach(leased: LeasedConnection): void {
    this.#end(leased);
    const connection = this.#current(leased);
    if (connection !== undefined) {
      this.#detached.add(connection);
      connection.detach();
      this.#host.post({ kind: 'detach', acquireId: connection.acquireId });
      if (this.#retiring) connection.retire();
    }
    this.#onChange();
  }

  onRelease(leased: LeasedConnection): void {
    this.#end(leased);
    const connection = this.#current(leased);
    if (connection !== undefined) this.#giveBack(connection);
    this.#onChange();
  }

  onDestroy(leased: LeasedConnection, reason: CloseReason): void {
    this.#end(leased);
    const connection = this.#current(leased);
    if (connection !== undefined)
      this.#destroy(connection, isSharedCloseReason(reason) ? reason : 'destroyed');
    this.#onChange();
  }

  /** Destroys everything without telling the pool. Callers keep their leases, whose sockets are closed. */
  abandon(): void {
    for (const connectionId of Array.from(this.#connections.keys())) this.onGone(connectionId);
    this.#leased = 0;
    // The pool's thread may have ended, and closes nothing any more. A socket closes a descriptor without
    // FFI, which this thread need not load.
    this.#ledger.takeRest((descriptor) => socketOverDescriptor(descriptor).destroy());
  }

  #lease(connection: ClientConnection): Lease {
    connection.isLeased = true;
    this.#leased += 1;
    return leaseOf(connection);
  }

  /** A lease ends, unless it has; after `abandon` none counts. */
  #end(connection: LeasedConnection): void {
    if (!(connection instanceof ClientConnection) || !connection.isLeased) return;
    connection.isLeased = false;
    if (this.#leased > 0) this.#leased -= 1;
  }

  /** `undefined` for a connection that the pool or this thread has closed. */
  #current(leased: LeasedConnection): ClientConnection | undefined {
    const connection = this.#connections.get(leased.id);
    return connection === leased ? connection : undefined;
  }

  #wake({ acquireId, connectionId }: Wakeup): ClientConnection | undefined {
    const connection = this.#connections.get(connectionId);
    if (connection === undefined) return undefined;
    this.#withdraw(connection);
    connection.wake(acquireId);
    // Reading may have shown that it is dead; the pool has been told then.
    return this.#connections.get(connectionId);
  }

  /** The connection is leased or closed: no caller may claim it. */
  #withdraw(connection: ClientConnection): void {
    const index = this.#offered.lastIndexOf(connection);
    if (index >= 0) this.#offered.splice(index, 1);
  }

  #takeOver(
    { acquireId, connectionId, slot, info, claim: memory, greeting }: LeaseMessage,
    target: TargetOptions,
  ): ClientConnection | undefined {
    const descriptor = this.#ledger.take(slot);
    if (descriptor === undefined || info === undefined) {
      wipeToken(info);
      return undefined;
    }
    let connection: ClientConnection;
    try {
      const claim = claimOf(memory);
      connection = new ClientConnection(connectionId, acquireId, descriptor, info, claim, target, this);
    } catch (cause) {
      wipeToken(info);
      this.#ledger.offer(slot, descriptor);
      this.#host.post({ kind: 'destroy', acquireId, reason: 'error' });
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
    const turn = kept ? connection.offer() : 0;
    if (turn > 0) this.#offer(connection);
    this.#host.release(connection.acquireId, kept, everReceived, turn);
  }

  #offer(connection: ClientConnection): void {
    this.#offered.push(connection);
    if (this.#isAgeing) return;
    this.#isAgeing = true;
    systemClock.afterTurn(() => {
      this.#isAgeing = false;
      for (const each of this.#connections.values()) each.isFresh = false;
    });
  }

  /** Gives a connection back when its last bytes have left. */
  #drain(connection: ClientConnection): void {
    const stop = afterDrain(connection.socket, systemClock, (drained) => {
      this.#draining.delete(connection);
      if (drained) this.#giveBack(connection);
      else this.#destroy(connection, 'dirty');
      this.#onChange();
    });
    this.#draining.set(connection, stop);
  }

  #destroy(connection: ClientConnection, reason: SharedCloseReason): void {
    this.onGone(connection.id);
    this.#host.post({ kind: 'destroy', acquireId: connection.acquireId, reason });
  }
}

/**
 * How this thread claims a connection; `undefined` where the pool allows none. A thread that is terminated while it
 * loads koffi aborts the process, so koffi is used only where the thread has loaded it for something else.
 */
function claimOf(memory: ClaimMemory | undefined): Claim | undefined {
  if (memory === undefined) return undefined;
  const { words, refusals } = memory;
  const calls = loadedNative() && loadDescriptorCalls();
  const peek = calls && ((descriptor: number): number => calls.peek(descriptor));
  return { words: new ClaimWords(words), refusals: new Int32Array(refusals), peek };
}

function wipeToken(info: ConnectionInfo | undefined): void {
  info?.answer?.handoffToken?.fill(0);
}
