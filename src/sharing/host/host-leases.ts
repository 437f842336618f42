import { BrokerPoolError } from '../../errors.js';
import type { DescriptorCalls } from '../../os/descriptors.js';
import { systemFailure } from '../../os/errno.js';
import { InFlightDescriptors } from '../../os/in-flight-descriptors.js';
import { copyOf } from '../../wire/frame.js';
import type { Lease } from '../../pool/lease.js';
import type { CloseReason } from '../../pool/close-reason.js';
import type { ClientMessage, HostMessage } from '../protocol.js';
import type { HostConnection, TellHolder } from './host-connection.js';

type ReleaseMessage = ClientMessage & { readonly kind: 'release' };

interface HostLease {
  /** Not used, but kept: the leak watch takes a collected handle for a lost lease. */
  readonly lease: Lease;
  readonly connection: HostConnection;
  /** Where its descriptor was offered; -1 where the thread had a duplicate. */
  readonly slot: number;
  readonly greeted: boolean;
}

/**
 * The leases of one other thread, and the duplicates that it keeps between them. Each lease goes back to the
 * pool exactly once, whether the thread returns it, its connection closes or the thread ends. A lease that
 * did not would take a place of `max` for ever.
 */
export class HostLeases {
  readonly #inFlight: InFlightDescriptors;
  readonly #post: (message: HostMessage, moved?: readonly ArrayBuffer[]) => void;
  /** By the acquire's number. */
  readonly #leases = new Map<number, HostLease>();
  /** Connections that the thread has duplicates of, and the number of the lease where it has one. */
  readonly #held = new Map<HostConnection, number | undefined>();

  /** @param post sends a message to the thread; it moves the memory in `moved` instead of copying it */
  constructor(calls: DescriptorCalls, post: (message: HostMessage, moved?: readonly ArrayBuffer[]) => void) {
    this.#inFlight = new InFlightDescriptors(calls);
    this.#post = post;
  }

  get ledger(): SharedArrayBuffer {
    return this.#inFlight.memory;
  }

  has(acquireId: number): boolean {
    return this.#leases.has(acquireId);
  }

  /** Hands a lease over, or gives it back to the pool and returns why it cannot. */
  lend(acquireId: number, lease: Lease, connection: HostConnection): BrokerPoolError | undefined {
    const { pooled } = connection;
    const message = { kind: 'lease', acquireId, connectionId: pooled.id } as const;
    if (this.#held.has(connection)) {
      connection.lend();
      this.#begin(acquireId, { lease, connection, slot: -1, greeted: false });
      this.#post({ ...message, slot: -1 });
      return undefined;
    }
    const descriptor = connection.duplicate();
    if (descriptor < 0) {
      lease.release();
      return handOverError(descriptor);
    }
    const slot = this.#inFlight.add(descriptor);
    const greeting = connection.lend();
    this.#begin(acquireId, { lease, connection, slot, greeted: greeting !== undefined });
    const { endpoint, route, negotiation } = pooled;
    const token = negotiation?.handoffToken();
    const handoffToken = token && copyOf(token);
    const info = {
      endpoint,
      route,
      negotiation: negotiation && { negotiated: negotiation.negotiated, handoffToken },
    };
    this.#post({ ...message, slot, info, greeting }, handoffToken && [handoffToken.buffer]);
    return undefined;
  }

  release({ acquireId, kept, everReceived }: ReleaseMessage): void {
    const lease = this.#leases.get(acquireId);
    // Its connection may have closed while the message was on its way.
    if (lease === undefined) return;
    const { connection } = lease;
    const untaken = this.#end(acquireId, lease, kept);
    if (everReceived) connection.everReceived = true;
    // A greeting that no caller has read cannot go back to this thread's socket.
    connection.giveBack(untaken && lease.greeted ? 'dirty' : connection.takeBack());
  }

  /** The lease stays until the thread has closed the socket: it says so by `destroy`. */
  detach(acquireId: number): void {
    const pooled = this.#leases.get(acquireId)?.connection.pooled;
    pooled?.owner.onDetach(pooled);
  }

  destroy(acquireId: number, reason: CloseReason): void {
    const lease = this.#leases.get(acquireId);
    if (lease === undefined) return;
    this.#end(acquireId, lease, false);
    lease.connection.giveBack(reason);
  }

  /** Ends all leases; the thread keeps no duplicates. */
  destroyAll(reason: CloseReason): void {
    for (const acquireId of Array.from(this.#leases.keys())) this.destroy(acquireId, reason);
    for (const connection of this.#held.keys()) connection.holders.delete(this.#tell);
    this.#held.clear();
  }

  /** The thread has ended, and Node has closed its sockets. */
  abandon(): void {
    for (const [acquireId, lease] of Array.from(this.#leases)) {
      const { connection } = lease;
      const untaken = this.#end(acquireId, lease, false);
      // No other caller can take up a conversation that the thread broke off.
      connection.giveBack(untaken && !lease.greeted ? connection.takeBack() : 'leaked');
    }
    this.destroyAll('leaked');
    this.#inFlight.reclaimAll();
  }

  readonly #tell: TellHolder = (connection, news) => {
    if (news === 'gone') this.#onGone(connection);
    else if (this.#held.get(connection) !== undefined)
      this.#post({ kind: 'retire', connectionId: connection.pooled.id });
  };

  #onGone(connection: HostConnection): void {
    const acquireId = this.#held.get(connection);
    this.#held.delete(connection);
    this.#post({ kind: 'gone', connectionId: connection.pooled.id });
    if (acquireId === undefined) return;
    const slot = this.#leases.get(acquireId)?.slot ?? -1;
    this.#leases.delete(acquireId);
    if (slot >= 0) this.#inFlight.end(slot);
    // Does nothing if the pool itself has closed the connection.
    connection.giveBack('stale');
  }

  #begin(acquireId: number, lease: HostLease): void {
    this.#leases.set(acquireId, lease);
    this.#held.set(lease.connection, acquireId);
    lease.connection.holders.add(this.#tell);
  }

  /** Returns whether the thread had never taken the descriptor. */
  #end(acquireId: number, { connection, slot }: HostLease, kept: boolean): boolean {
    this.#leases.delete(acquireId);
    const untaken = slot >= 0 && this.#inFlight.end(slot);
    if (kept && !untaken) {
      this.#held.set(connection, undefined);
    } else {
      this.#held.delete(connection);
      connection.holders.delete(this.#tell);
    }
    return untaken;
  }
}

function handOverError(result: number): BrokerPoolError {
  const { message, code, syscall } = systemFailure('fcntl', result);
  const cause = Object.assign(new Error(message), { code, syscall });
  const text = `failed to hand a connection over to another thread: ${message}`;
  return new BrokerPoolError('WORKER_FAILED', text, { cause });
}
