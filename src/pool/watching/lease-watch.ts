import { channel } from 'node:diagnostics_channel';
import { currentContext, outOfContext, type RunInContext } from '../../async-context.js';
import { callerStack } from '../../caller-stack.js';
import type { CachedClock, CachedTime, SharedTimer } from '../../clock.js';
import { DeadlineQueue, type Timed } from '../../deadline-queue.js';
import { asFailure, type BrokerPoolError, type ErrorCode } from '../../errors.js';
import { Histogram } from '../../histogram.js';
import { warnProcess } from '../../process-warning.js';
import { closedError } from '../acquire-errors.js';
import { leaseOf, type Lease } from '../lease.js';
import type { PoolEnvironment } from '../pool-environment.js';
import type { PooledConnection } from '../pooled-connection.js';
import type { Target } from '../../target.js';
import type { AcquireListeners } from './event-sources.js';
import type { ReleasedEvent } from './events.js';

/**
 * The channels that each acquire asks for subscribers. Constants of this module, not fields: V8 knows such a channel,
 * and that it has none, when it compiles, and the question takes no time. Of fields, it took a tenth of a contended
 * acquire.
 */
const ACQUIRE_STARTED = channel('broker-pool:acquireStarted');
const ACQUIRED = channel('broker-pool:acquired');
const RELEASED = channel('broker-pool:released');
const ACQUIRE_FAILED = channel('broker-pool:acquireFailed');

/** The start of an acquire, for events and leak reports. */
export interface AcquireOrigin {
  /** The acquire's number in events. */
  readonly acquireId: number;
  /** The caller's stack, where leaks are watched for; else empty. */
  readonly stack: string;
  /** The caller's asynchronous context: the code that serves a waiter runs in another. */
  readonly context: RunInContext | undefined;
}

/** The beginning of a lease, for its end. It must not refer to the lease, whose loss it notices. */
interface WatchedLease extends Timed {
  readonly connection: PooledConnection;
  readonly acquireId: number;
  readonly leasedAtMs: number;
  readonly stack: string;
}

/**
 * Tells listeners of the acquires and leases of one target, and reports leaks: leases that are out for long or
 * garbage. With neither wanted, a lease costs one question. A leak report needs a stack trace of every acquire.
 */
export class LeaseWatch {
  /** How many leases are out that were watched when they began; a field, since each release reads it. */
  watched = 0;
  /** How long leases took that took more than a turn of the loop. */
  readonly useTimes = new Histogram();
  /** How many acquires have failed, by code. */
  readonly failures: Partial<Record<ErrorCode, number>> = {};
  readonly #target: Target;
  readonly #environment: PoolEnvironment;
  readonly #listeners: AcquireListeners;
  readonly #timer: SharedTimer;
  /** The watched lease of a connection. Not a `Map`: an outgrown table of one would keep all later ones. */
  readonly #leases = new WeakMap<PooledConnection, WatchedLease>();
  readonly #due = new DeadlineQueue<WatchedLease>();
  #isStopped = false;
  /** `undefined` where leaks are not watched for. */
  readonly #lost: FinalizationRegistry<WatchedLease> | undefined;

  /** @param onLost closes a connection whose lease is garbage: no caller can release it */
  constructor(
    target: Target,
    environment: PoolEnvironment,
    timer: SharedTimer,
    onLost: (connection: PooledConnection) => void,
  ) {
    this.#target = target;
    this.#environment = environment;
    this.#listeners = environment.events.listeners;
    this.#timer = timer;
    if (environment.settings.leakThresholdMs === 0) return;
    this.#lost = new FinalizationRegistry((watched) =>
      outOfContext(() => {
        if (this.#isStopped) return;
        this.#report(watched, environment.clock.now(), true);
        onLost(watched.connection);
      }),
    );
  }

  /** Whether there are listeners for acquires and leases, or a leak watch. */
  get wanted(): boolean {
    const hasSubscribers =
      ACQUIRE_STARTED.hasSubscribers || ACQUIRED.hasSubscribers || RELEASED.hasSubscribers;
    return hasSubscribers || this.#listeners.ofLeases;
  }

  /** Whether there are listeners for acquires that wait, leases or failures, or a leak watch. */
  get hearsWaits(): boolean {
    return this.wanted || this.#listeners.ofWaits || ACQUIRE_FAILED.hasSubscribers;
  }

  /** An acquire begins that waits. Asked for only where {@link LeaseWatch.hearsWaits}. */
  beginWait(): AcquireOrigin {
    return this.#begin(currentContext());
  }

  /** An acquire fails before it waits. */
  refuse(error: BrokerPoolError): void {
    this.#count(error);
    publishRefusal(this.#environment, this.#target, error);
  }

  /**
   * The lease of an idle connection, asked for and given in one turn.
   *
   * @throws {BrokerPoolError} `POOL_CLOSED`
   */
  leaseAtOnce(connection: PooledConnection, cachedClock: CachedClock): Lease {
    const origin = this.#begin(undefined);
    if (connection.state === 'leased') return this.lease(connection, origin, cachedClock.time().ms, 0);
    // A listener of acquireStarted has ended the pool.
    const error = closedError(this.#target);
    this.fail(origin, error, 0);
    throw error;
  }

  /** @param origin the start of the acquire; `undefined` where it began before there were listeners */
  lease(
    connection: PooledConnection,
    origin: AcquireOrigin | undefined,
    nowMs: number,
    waitMs: number,
  ): Lease {
    const { acquireId, stack, context } = origin ?? this.#unheardOrigin();
    const lease = leaseOf(connection);
    const { clock, events, settings } = this.#environment;
    const { pool, acquired, released } = events;
    // A listener of `released` needs the time and the number of the acquire.
    if (this.#lost === undefined && !acquired.wanted && !released.wanted) return lease;
    const dueMs = clock.now() + settings.leakThresholdMs;
    const watched = { connection, acquireId, leasedAtMs: nowMs, stack, dueMs, queueIndex: -1 };
    this.#leases.set(connection, watched);
    this.watched += 1;
    if (this.#lost !== undefined) {
      this.#lost.register(lease, watched, watched);
      this.#due.put(watched);
      this.#timer.set(dueMs);
    }
    const { id: connectionId, route } = connection;
    acquired.publish({ pool, target: this.#target, acquireId, connectionId, route, waitMs }, context);
    return lease;
  }

  /** A lease ends. One that ends in the turn in which it began counts as 0 ms and is not recorded. */
  end(connection: PooledConnection, now: CachedTime): void {
    const watched = this.watched > 0 ? this.#leases.get(connection) : undefined;
    if (watched !== undefined) this.#publishEnd(watched, now.ms);
    const { since } = connection;
    if (typeof since !== 'object' || since === now) return;
    // A listener of `released` may end the pool, and this lease with it: the time is recorded once.
    connection.since = undefined;
    const usedMs = now.ms - since.ms;
    if (usedMs > 0) this.useTimes.record(usedMs);
  }

  #publishEnd(watched: WatchedLease, nowMs: number): void {
    this.#forget(watched);
    const { released } = this.#environment.events;
    if (released.wanted) released.publish(this.#held(watched, nowMs));
  }

  fail(origin: AcquireOrigin | undefined, error: BrokerPoolError, waitMs: number): void {
    const { acquireId, context } = origin ?? this.#unheardOrigin();
    this.#count(error);
    publishFailure(this.#environment, this.#target, acquireId, error, waitMs, context);
  }

  /** When the next lease is out for too long. */
  get nextDeadlineMs(): number {
    return this.#due.nextMs;
  }

  /** Reports the leases that are out for too long by `dueByMs`. */
  reportLeaks(dueByMs: number): void {
    for (let leak = this.#due.takeDue(dueByMs); leak !== undefined; leak = this.#due.takeDue(dueByMs))
      this.#report(leak, dueByMs, false);
  }

  /** Ends all watches: a lease that is lost from now on is no leak of this pool. */
  stop(): void {
    this.#isStopped = true;
    while (this.#due.nextMs < Infinity) this.#due.takeDue(Infinity);
  }

  #count({ code }: BrokerPoolError): void {
    this.failures[code] = (this.failures[code] ?? 0) + 1;
  }

  #begin(context: RunInContext | undefined): AcquireOrigin {
    const { events, ids, entryPoints } = this.#environment;
    const { pool, acquireStarted } = events;
    const stack = this.#lost === undefined ? '' : callerStack(entryPoints);
    const acquireId = ++ids.acquire;
    if (acquireStarted.wanted) acquireStarted.publish({ pool, target: this.#target, acquireId });
    return { acquireId, stack, context };
  }

  /** The origin of an acquire that began before there were listeners. */
  #unheardOrigin(): AcquireOrigin {
    return { acquireId: ++this.#environment.ids.acquire, stack: '', context: outOfContext };
  }

  #forget(watched: WatchedLease): void {
    this.#leases.delete(watched.connection);
    this.watched -= 1;
    this.#lost?.unregister(watched);
    this.#due.remove(watched);
  }

  #report(watched: WatchedLease, nowMs: number, lost: boolean): void {
    const { leakSuspected } = this.#environment.events;
    const { stack } = watched;
    const held = this.#held(watched, nowMs);
    if (leakSuspected.wanted) return leakSuspected.publish({ ...held, stack, lost });
    const what = `a lease of ${held.target.serviceName} ${lost ? 'was lost' : 'is out'}`;
    const message = `${what} after ${Math.round(held.heldMs)} ms without being released`;
    outOfContext(() => warnProcess('BROKER_POOL_LEAK', message, `acquired\n${stack}`));
  }

  /** The lease, and for how long it has been out. */
  #held({ acquireId, connection, leasedAtMs }: WatchedLease, nowMs: number): ReleasedEvent {
    const { pool } = this.#environment.events;
    const heldMs = nowMs - leasedAtMs;
    return { pool, target: this.#target, acquireId, connectionId: connection.id, heldMs };
  }
}

export function publishRefusal(environment: PoolEnvironment, target: Target, error: BrokerPoolError): void {
  const { pool, acquireStarted } = environment.events;
  const acquireId = ++environment.ids.acquire;
  if (acquireStarted.wanted) acquireStarted.publish({ pool, target, acquireId });
  publishFailure(environment, target, acquireId, error, 0);
}

function publishFailure(
  { events }: PoolEnvironment,
  target: Target,
  acquireId: number,
  error: BrokerPoolError,
  waitMs: number,
  context?: RunInContext,
): void {
  const { pool, acquireFailed } = events;
  if (!acquireFailed.wanted) return;
  acquireFailed.publish(
    { pool, target, acquireId, reason: error.code, error: asFailure(error), waitMs },
    context,
  );
}
