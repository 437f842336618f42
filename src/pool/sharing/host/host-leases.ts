import { BrokerPoolError } from '../../../errors.js';
import type { DescriptorCalls } from '../../../os/descriptors.js';
import { systemFailure } from '../../../os/errno.js';
import { copyOf } from '../../../wire/frame.js';
import type { Lease } from '../../lease.js';
import type { CloseReason, PooledConnection } from '../../pooled-connection.js';
import type { Holder, HostConnection } from './host-connection.js';
import { InFlightDescriptors } from './in-flight-descriptors.js';
import type { ClientMessage, ConnectionInfo, HostMessage } from '../protocol.js';

type ReleaseMessage = ClientMessage & { readonly kind: 'release' };

/** A lease that another thread has. */
interface RemoteLease {
  /** Not used, but kept: a handle that is collected counts as lost. */
  readonly lease: Lease;
  readonly lent: HostConnection;
  /** Where its descriptor was offered; -1 where the thread had a duplicate. */
  readonly slot: number;
  readonly greeted: boolean;
}

/**
 * What one other thread has of the pool: its leases, and the duplicates it keeps between them. Each lease
 * goes back to the pool once, whether the thread gives it back, its connection closes or the thread dies; one
 * that did not would take its place for ever.
 */
export class HostLeases implements Holder {
  readonly #inFlight: InFlightDescriptors;
  readonly #post: (message: HostMessage, moved?: readonly ArrayBuffer[]) => void;
  /** By the acquire's number. */
  readonly #leases = new Map<number, RemoteLease>();
  /** Connections whose duplicates the thread has, and the number of the lease where it has one. */
  readonly #held = new Map<HostConnection, number | undefined>();

  /** @param post sends a message to the thread; `moved` is memory that goes along instead of being copied */
  constructor(calls: DescriptorCalls, post: (message: HostMessage, moved?: readonly ArrayBuffer[]) => void) {
    this.#inFlight = new InFlightDescriptors(calls, (ledger) => post({ kind: 'page', ledger }));
    this.#post = post;
  }

  has(acquireId: number): boolean {
    return this.#leases.has(acquireId);
  }

  /** Hands a lease over. Returns why that cannot be, the lease being the pool's again then. */
  lend(acquireId: number, lease: Lease, lent: HostConnection): BrokerPoolError | undefined {
    const { id: connectionId, connection } = lent;
    if (lent.isHeldBy(this)) {
      lent.lend();
      this.#begin(acquireId, { lease, lent, slot: -1, greeted: false });
      this.#post({ kind: 'lease', acquireId, connectionId, slot: -1 });
      return undefined;
    }
    const descriptor = lent.duplicateFor(this);
    if (descriptor < 0) {
      lease.release();
      return handOverError(descriptor);
    }
    const slot = this.#inFlight.add(descriptor);
    const greeting = lent.lend();
    this.#begin(acquireId, { lease, lent, slot, greeted: greeting !== undefined });
    const token = connection.negotiation?.handoffToken();
    const handoffToken = token && copyOf(token);
    const described = { info: infoOf(connection, handoffToken), ...(greeting !== undefined && { greeting }) };
    this.#post(
      { kind: 'lease', acquireId, connectionId, slot, ...described },
      handoffToken && [handoffToken.buffer],
    );
    return undefined;
  }

  release({ acquireId, kept, everReceived }: ReleaseMessage): void {
    const remote = this.#leases.get(acquireId);
    // Its connection may have closed while the message was on its way.
    if (remote === undefined) return;
    const { lent } = remote;
    const untaken = this.#over(acquireId, remote, kept);
    if (everReceived) lent.everReceived = true;
    // Nobody has read the greeting, and it cannot go back to where it was.
    giveBack(lent, untaken && remote.greeted ? 'dirty' : lent.takeBack());
  }

  destroy(acquireId: number, reason: CloseReason): void {
    const remote = this.#leases.get(acquireId);
    if (remote === undefined) return;
    this.#over(acquireId, remote, false);
    giveBack(remote.lent, reason);
  }

  /** The thread has nothing any more. */
  destroyAll(reason: CloseReason): void {
    for (const acquireId of Array.from(this.#leases.keys())) this.destroy(acquireId, reason);
    for (const lent of this.#held.keys()) lent.forget(this);
    this.#held.clear();
  }

  /** The thread has ended in the middle of its leases. */
  abandon(): void {
    for (const [acquireId, remote] of Array.from(this.#leases)) {
      const untaken = this.#over(acquireId, remote, false);
      // A conversation that its thread broke off cannot be taken up by another; what nobody has taken has had
      // none.
      giveBack(remote.lent, untaken && !remote.greeted ? remote.lent.takeBack() : 'leaked');
    }
  }

  /** Closes what a thread that has ended had taken, and not made a socket of. */
  reclaimAll(): void {
    this.#inFlight.reclaimAll();
  }

  onGone(lent: HostConnection): void {
    const acquireId = this.#held.get(lent);
    this.#held.delete(lent);
    this.#post({ kind: 'gone', connectionId: lent.id });
    if (acquireId === undefined) return;
    const remote = this.#leases.get(acquireId);
    this.#leases.delete(acquireId);
    if (remote !== undefined && remote.slot >= 0) this.#inFlight.end(remote.slot);
    // Somebody on the pool's thread destroyed the socket, or the pool has ended and knows already.
    giveBack(lent, 'stale');
  }

  #begin(acquireId: number, remote: RemoteLease): void {
    this.#leases.set(acquireId, remote);
    this.#held.set(remote.lent, acquireId);
  }

  /** The lease is not the thread's any more. Returns whether the thread had never taken the descriptor. */
  #over(acquireId: number, { lent, slot }: RemoteLease, kept: boolean): boolean {
    this.#leases.delete(acquireId);
    const untaken = slot >= 0 && this.#inFlight.end(slot);
    if (kept && !untaken) {
      this.#held.set(lent, undefined);
    } else {
      this.#held.delete(lent);
      lent.forget(this);
    }
    return untaken;
  }
}

/** @param problem why it cannot go to another caller */
function giveBack({ connection }: HostConnection, problem: CloseReason | undefined): void {
  if (problem === undefined) connection.owner.onRelease(connection);
  else connection.owner.onDestroy(connection, problem);
}

function infoOf(
  { endpoint, route, negotiation }: PooledConnection,
  handoffToken: Uint8Array | undefined,
): ConnectionInfo {
  return {
    endpoint,
    route,
    negotiation: negotiation && { negotiated: negotiation.negotiated, handoffToken },
  };
}

function handOverError(result: number): BrokerPoolError {
  const system = systemFailure('fcntl', result);
  const cause = Object.assign(new Error(system.message), { code: system.code, syscall: system.syscall });
  return new BrokerPoolError(
    'WORKER_FAILED',
    `failed to hand a connection over to another thread: ${system.message}`,
    { cause },
  );
}
