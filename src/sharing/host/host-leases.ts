import { BrokerPoolError } from '../../errors.js';
import { IdTable, type Numbered } from '../../id-table.js';
import type { DescriptorCalls } from '../../os/descriptors.js';
import { systemFailure } from '../../os/errno.js';
import { InFlightDescriptors } from '../../os/in-flight-descriptors.js';
import { copyOf } from '../../wire/frame.js';
import type { Lease } from '../../pool/lease.js';
import type { CloseReason } from '../../pool/close-reason.js';
import { TargetPool } from '../../pool/target-pool.js';
import { systemClock } from '../../clock.js';
import type { HostMessage } from '../protocol.js';
import { Claimable } from './claimable.js';
import type { HostConnection, TellClient } from './host-connection.js';

/**
 * How long a connection that a client has given back may be claimed, in milliseconds. No client reads from it
 * meanwhile: its end, and bytes of a backend that were not asked for, show that much later.
 */
const CLAIMABLE_MS = 10;

interface HostLease extends Numbered<HostLease> {
  /** The acquire's number. */
  readonly id: number;
  /** Not used, but kept: the leak watch takes a collected handle for a lost lease. */
  readonly lease: Lease;
  readonly connection: HostConnection;
  /** Where its descriptor was offered; -1 where the client had a duplicate. */
  readonly slot: number;
  readonly greeted: boolean;
}

/** A connection that the client has a duplicate of. */
interface Held {
  readonly connection: HostConnection;
  /** The number of the lease where the client has one. */
  acquireId: number | undefined;
  /** `undefined` where the pool allows no claims. */
  readonly claimable: Claimable | undefined;
}

/**
 * The leases of one client, another thread that uses the pool, and the duplicates that it keeps between them. Each
 * lease goes back to the pool exactly once, whether the client returns it, its connection closes or the client ends.
 * A lease that did not would take a place of `max` for ever.
 */
export class HostLeases {
  readonly #inFlight: InFlightDescriptors;
  readonly #post: (message: HostMessage, moved?: readonly ArrayBuffer[]) => void;
  readonly #leases = new IdTable<HostLease>();
  /** By the connection's number. */
  readonly #held = new Map<number, Held>();
  /** Connections that the client may claim, or has claimed. */
  readonly #offered = new Set<Held>();
  #cancelRecall: (() => void) | undefined;

  /** @param post sends a message to the client; it moves the memory in `moved` instead of copying it */
  constructor(calls: DescriptorCalls, post: (message: HostMessage, moved?: readonly ArrayBuffer[]) => void) {
    this.#inFlight = new InFlightDescriptors(calls);
    this.#post = post;
  }

  get ledger(): SharedArrayBuffer {
    return this.#inFlight.memory;
  }

  has(acquireId: number): boolean {
    return this.#leases.get(acquireId) !== undefined;
  }

  /** Hands a lease over, or gives it back to the pool and returns why it cannot. */
  lend(acquireId: number, lease: Lease, connection: HostConnection): BrokerPoolError | undefined {
    const { pooled } = connection;
    const message = { kind: 'lease', acquireId, connectionId: pooled.id } as const;
    const held = this.#held.get(pooled.id);
    if (held !== undefined) {
      connection.lend();
      this.#begin(held, acquireId, lease);
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
    const { endpoint, route, answer } = pooled;
    const claims = pooled.owner instanceof TargetPool ? pooled.owner.claims : undefined;
    const claimable = claims && new Claimable(claims);
    const first = { connection, acquireId, claimable };
    this.#held.set(pooled.id, first);
    connection.clients.add(this.#tell);
    this.#begin(first, acquireId, lease, slot, greeting !== undefined);
    const token = answer?.handoffToken();
    const handoffToken = token && copyOf(token);
    const info = {
      endpoint,
      route,
      answer: answer && { negotiated: answer.negotiated, handoffToken },
    };
    const claim = claimable?.memory;
    this.#post({ ...message, slot, info, claim, greeting }, handoffToken && [handoffToken.buffer]);
    return undefined;
  }

  release(acquireId: number, kept: boolean, everReceived: boolean, turn: number): void {
    const lease = this.#leases.get(acquireId);
    // The connection may have closed while the message was on its way.
    if (lease === undefined) return;
    const { connection } = lease;
    const untaken = this.#end(lease, kept);
    if (everReceived) connection.everReceived = true;
    const held = this.#held.get(connection.pooled.id);
    if (turn > 0 && held?.claimable !== undefined) this.#offer(held, held.claimable, turn);
    // A greeting that no caller has read cannot go back to this thread's socket.
    else connection.giveBack(untaken && lease.greeted ? 'dirty' : connection.takeBack());
  }

  /**
   * Begins a lease that the client has taken without asking. False if it had no right to; not if the connection has
   * closed meanwhile, as the client will hear.
   */
  claim(acquireId: number, connectionId: number): boolean {
    const held = this.#held.get(connectionId);
    if (held === undefined) return true;
    const { connection, claimable } = held;
    if (claimable === undefined || (claimable.early === undefined && connection.claimable !== claimable))
      return false;
    connection.claimable = undefined;
    const lease = claimable.begin(connection.pooled);
    if (lease !== undefined) this.#begin(held, acquireId, lease);
    return true;
  }

  /** The lease stays until the client has closed the socket: it says so by `destroy`. */
  detach(acquireId: number): void {
    const pooled = this.#leases.get(acquireId)?.connection.pooled;
    pooled?.owner.onDetach(pooled);
  }

  destroy(acquireId: number, reason: CloseReason): void {
    const lease = this.#leases.get(acquireId);
    if (lease === undefined) return;
    this.#end(lease, false);
    lease.connection.giveBack(reason);
  }

  /** Ends all leases; the client keeps no duplicates. */
  destroyAll(reason: CloseReason): void {
    this.#cancelRecall?.();
    for (const { id } of this.#leases.items()) this.destroy(id, reason);
    for (const held of Array.from(this.#held.values())) {
      const { connection, claimable } = held;
      this.#recall(held);
      // A claim whose message has not come, and will not.
      if (claimable?.early !== undefined) connection.giveBack(reason);
      connection.clients.delete(this.#tell);
    }
    this.#held.clear();
  }

  /** The client has ended, and Node has closed its sockets. */
  abandon(): void {
    for (const lease of this.#leases.items()) {
      const { connection } = lease;
      const untaken = this.#end(lease, false);
      // No other caller can take up a conversation that the client broke off.
      connection.giveBack(untaken && !lease.greeted ? connection.takeBack() : 'leaked');
    }
    this.destroyAll('leaked');
    this.#inFlight.reclaimAll();
  }

  readonly #tell: TellClient = (connection, news) => {
    const held = this.#held.get(connection.pooled.id);
    if (news === 'gone') this.#onGone(connection, held);
    else if (news === 'forbid claims') held?.claimable?.forbid();
    else if (held?.acquireId !== undefined)
      this.#post({ kind: 'retire', connectionId: connection.pooled.id });
  };

  #onGone(connection: HostConnection, held: Held | undefined): void {
    const { id } = connection.pooled;
    this.#held.delete(id);
    this.#post({ kind: 'gone', connectionId: id });
    if (held === undefined) return;
    this.#offered.delete(held);
    const { acquireId, claimable } = held;
    claimable?.close();
    if (acquireId === undefined) return;
    const slot = this.#leases.take(acquireId)?.slot ?? -1;
    if (slot >= 0) this.#inFlight.end(slot);
    // Does nothing if the pool itself has closed the connection.
    connection.giveBack('stale');
  }

  #begin(held: Held, id: number, lease: Lease, slot = -1, greeted = false): void {
    const { connection, claimable } = held;
    this.#leases.add({ id, lease, connection, slot, greeted, nextInPlace: undefined });
    held.acquireId = id;
    claimable?.allow(connection.pooled);
  }

  /** The client has given a connection back, and may claim it. */
  #offer(held: Held, claimable: Claimable, turn: number): void {
    const { connection } = held;
    const { pooled } = connection;
    if (claimable.rest(pooled, turn)) {
      connection.claimable = claimable;
      this.#offered.add(held);
      this.#cancelRecall ??= systemClock.schedule(CLAIMABLE_MS, () => this.#recallAll());
    } else if (claimable.take(pooled)) {
      connection.giveBack(connection.takeBack());
    } else {
      // The client was faster than the caller that waits, or than the news that the connection is to close.
      claimable.forbid();
    }
  }

  /** Reads again from the connections that the client has not claimed. */
  #recallAll(): void {
    this.#cancelRecall = undefined;
    for (const held of this.#offered) this.#recall(held);
    this.#offered.clear();
  }

  #recall({ connection, claimable }: Held): void {
    if (claimable === undefined || connection.claimable !== claimable) return;
    const problem = connection.recall();
    if (problem !== undefined && problem !== 'claimed') connection.giveBack(problem);
  }

  /** Returns whether the client had never taken the descriptor. */
  #end({ id, connection, slot }: HostLease, kept: boolean): boolean {
    this.#leases.take(id);
    const untaken = slot >= 0 && this.#inFlight.end(slot);
    const held = this.#held.get(connection.pooled.id);
    if (kept && !untaken && held !== undefined) {
      held.acquireId = undefined;
    } else {
      this.#held.delete(connection.pooled.id);
      connection.clients.delete(this.#tell);
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
