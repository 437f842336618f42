import type { CachedClock, SharedTimer } from '../../clock.js';
import { currentContext, outOfContext, type RunInContext } from '../../async-context.js';
import { asFailure, BrokerPoolError } from '../../errors.js';
import { explainedError } from '../../explained-error.js';
import { warnProcess } from '../../process-warning.js';
import { leaseOf, type Lease } from '../lease.js';
import type { PoolEnvironment } from '../pool-environment.js';
import type { PooledConnection } from '../pooled-connection.js';
import type { Target } from '../target.js';
import type { EventSources } from './event-sources.js';
import { callerStack, LeakWatch, type Leak } from './leak-watch.js';

/** What events and leak reports tell of an acquire. */
export interface AcquireOrigin {
  /** The acquire's number in events. */
  readonly acquireId: number;
  /** The caller's stack, where leaks are watched for. */
  readonly stack: string | undefined;
  /** The caller's asynchronous context: the code that serves a waiter runs in another. */
  readonly context: RunInContext | undefined;
}

/** What the end of a lease needs of its beginning. */
interface WatchedLease {
  readonly acquireId: number;
  readonly leasedAtMs: number;
}

/**
 * Tells listeners and the leak watch of the acquires and leases of one target. With neither there, a lease
 * costs one question.
 */
export class LeaseWatch {
  /** The leases that were watched when they began. */
  readonly leases = new Map<PooledConnection, WatchedLease>();
  readonly #target: Target;
  readonly #environment: PoolEnvironment;
  readonly #events: EventSources;
  readonly #leaks: LeakWatch | undefined;

  /** @param onLost closes a connection whose lease is garbage: no caller can release it */
  constructor(
    target: Target,
    environment: PoolEnvironment,
    timer: SharedTimer,
    onLost: (connection: PooledConnection) => void,
  ) {
    const { clock, events, settings } = environment;
    this.#target = target;
    this.#environment = environment;
    this.#events = events;
    if (settings.leakThresholdMs > 0)
      this.#leaks = new LeakWatch(clock, settings.leakThresholdMs, timer, (leak) => {
        this.#report(leak);
        onLost(leak.connection);
      });
  }

  /** An acquire begins that waits. `undefined` where there are neither listeners nor a leak watch. */
  beginWait(): AcquireOrigin | undefined {
    return this.wanted || this.#events.acquireFailed.wanted ? this.#begin(currentContext()) : undefined;
  }

  /** An acquire fails before it waits. */
  refuse(error: BrokerPoolError): void {
    const { acquireStarted, acquireFailed } = this.#events;
    if (acquireStarted.wanted || acquireFailed.wanted)
      this.#publishFailed(this.#begin(undefined).acquireId, error, 0);
  }

  #begin(context: RunInContext | undefined): AcquireOrigin {
    const { acquireStarted, pool } = this.#events;
    const stack = this.#leaks && callerStack(this.#environment.entryPoints);
    const acquireId = this.#nextAcquireId();
    if (acquireStarted.wanted) acquireStarted.publish({ pool, target: this.#target, acquireId });
    return { acquireId, stack, context };
  }

  /** Whether there are listeners for acquires and leases, or a leak watch. */
  get wanted(): boolean {
    return this.#leaks !== undefined || this.#events.acquireStarted.wanted || this.#isAcquiredWanted();
  }

  /**
   * The lease of an idle connection, asked for and given in one turn.
   *
   * @throws {BrokerPoolError} `POOL_CLOSED`
   */
  leaseAtOnce(connection: PooledConnection, cachedClock: CachedClock): Lease {
    const { acquireId, stack } = this.#begin(undefined);
    if (connection.state === 'leased')
      return this.#lease(connection, acquireId, stack, cachedClock.now(), 0, undefined);
    // A listener of acquireStarted has ended the pool.
    const error = explainedError(new BrokerPoolError('POOL_CLOSED', 'the pool was destroyed'), {
      ...this.#target,
      attempts: 0,
      elapsedMs: 0,
    });
    this.#publishFailed(acquireId, error, 0);
    throw error;
  }

  /** The lease of a caller that has waited for it. */
  lease(
    connection: PooledConnection,
    origin: AcquireOrigin | undefined,
    nowMs: number,
    waitMs: number,
  ): Lease {
    const acquireId = origin?.acquireId ?? this.#nextAcquireId();
    return this.#lease(connection, acquireId, origin?.stack, nowMs, waitMs, origin?.context ?? outOfContext);
  }

  #lease(
    connection: PooledConnection,
    acquireId: number,
    stack: string | undefined,
    nowMs: number,
    waitMs: number,
    context: RunInContext | undefined,
  ): Lease {
    const lease = leaseOf(connection);
    if (this.#leaks === undefined && !this.#isAcquiredWanted()) return lease;
    this.leases.set(connection, { acquireId, leasedAtMs: nowMs });
    this.#leaks?.begin(lease, connection, acquireId, stack ?? '');
    const { id: connectionId, route } = connection;
    this.#events.acquired.publish(
      { pool: this.#events.pool, target: this.#target, acquireId, connectionId, route, waitMs },
      context,
    );
    return lease;
  }

  /** A lease is over. */
  end(connection: PooledConnection, cachedClock: CachedClock): void {
    const watched = this.leases.get(connection);
    // It began before there were listeners.
    if (watched === undefined) return;
    this.leases.delete(connection);
    this.#leaks?.end(connection);
    const { acquireId, leasedAtMs } = watched;
    const { pool, released } = this.#events;
    if (!released.wanted) return;
    const heldMs = cachedClock.now() - leasedAtMs;
    released.publish({ pool, target: this.#target, acquireId, connectionId: connection.id, heldMs });
  }

  /** An acquire fails that waits. */
  fail(origin: AcquireOrigin | undefined, error: BrokerPoolError, waitMs: number): void {
    this.#publishFailed(origin?.acquireId, error, waitMs, origin?.context ?? outOfContext);
  }

  #publishFailed(
    id: number | undefined,
    error: BrokerPoolError,
    waitMs: number,
    context?: RunInContext,
  ): void {
    const { pool, acquireFailed } = this.#events;
    if (!acquireFailed.wanted) return;
    const acquireId = id ?? this.#nextAcquireId();
    acquireFailed.publish(
      { pool, target: this.#target, acquireId, reason: error.code, error: asFailure(error), waitMs },
      context,
    );
  }

  /** When the next lease is out for too long. */
  get nextDeadlineMs(): number {
    return this.#leaks?.nextMs ?? Infinity;
  }

  /** Reports the leases that are out for too long by `dueByMs`. */
  reportLeaks(dueByMs: number): void {
    if (this.#leaks === undefined) return;
    for (let leak = this.#leaks.takeDue(dueByMs); leak !== undefined; leak = this.#leaks.takeDue(dueByMs))
      this.#report(leak);
  }

  stop(): void {
    this.#leaks?.stop();
  }

  #nextAcquireId(): number {
    const { ids } = this.#environment;
    ids.acquire += 1;
    return ids.acquire;
  }

  /** A listener of `released` needs the time and the number that come with `acquired`. */
  #isAcquiredWanted(): boolean {
    return this.#events.acquired.wanted || this.#events.released.wanted;
  }

  #report({ connection, acquireId, heldMs, stack, lost }: Leak): void {
    const { pool, leakSuspected } = this.#events;
    if (leakSuspected.wanted) {
      const connectionId = connection.id;
      leakSuspected.publish({ pool, target: this.#target, acquireId, connectionId, heldMs, stack, lost });
    } else {
      const what = `a lease of ${this.#target.serviceName} ${lost ? 'was lost' : 'is out'}`;
      const message = `${what} after ${Math.round(heldMs)} ms without being released`;
      outOfContext(() => warnProcess('BROKER_POOL_LEAK', message, `acquired\n${stack}`));
    }
  }
}

/** Publishes an acquire that its pool refuses before a target hears of it. */
export function publishRefusal(
  events: EventSources,
  target: Target,
  acquireId: number,
  error: BrokerPoolError,
): void {
  const { pool, acquireStarted, acquireFailed } = events;
  if (acquireStarted.wanted) acquireStarted.publish({ pool, target, acquireId });
  if (acquireFailed.wanted)
    acquireFailed.publish({
      pool,
      target,
      acquireId,
      reason: error.code,
      error: asFailure(error),
      waitMs: 0,
    });
}
