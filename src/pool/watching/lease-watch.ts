import { currentContext, outOfContext, type RunInContext } from '../../async-context.js';
import type { Clock } from '../../clock.js';
import { asFailure, BrokerPoolError } from '../../errors.js';
import { explainedError } from '../../explained-error.js';
import { warnProcess } from '../../process-warning.js';
import type { Target } from '../target.js';
import type { EventSources } from './event-sources.js';
import { callerStack, LeakWatch, type EntryPoint, type Leak } from './leak-watch.js';
import { leaseOf, type Lease } from '../lease.js';
import type { PooledConnection } from '../pooled-connection.js';
import type { AcquireOrigin } from '../waiter.js';

/** What watching needs of its surroundings. */
export interface LeaseWatchEnvironment {
  readonly clock: Clock;
  readonly events: EventSources;
  readonly settings: { readonly leakThresholdMs: number };
  /** The functions through which a lease is acquired, see {@link callerStack}. */
  readonly entryPoints: readonly EntryPoint[];
  nextAcquireId(): number;
}

/** What the end of a lease has to know of its beginning. */
interface WatchedLease {
  readonly acquireId: number;
  readonly leasedAtMs: number;
}

/**
 * Tells listeners and the leak watch about the acquires and leases of one target. With neither there, a lease
 * costs one question.
 */
export class LeaseWatch {
  readonly #target: Target;
  readonly #events: EventSources;
  readonly #leaks: LeakWatch | undefined;
  readonly #environment: LeaseWatchEnvironment;
  readonly #onLost: (connection: PooledConnection) => void;
  /** The leases that were watched when they began. */
  readonly #leases = new Map<PooledConnection, WatchedLease>();

  /** @param onLost is told of a connection whose lease nobody can release any more */
  constructor(
    target: Target,
    environment: LeaseWatchEnvironment,
    onLost: (connection: PooledConnection) => void,
  ) {
    const { clock, events, settings } = environment;
    this.#target = target;
    this.#environment = environment;
    this.#events = events;
    this.#onLost = onLost;
    if (settings.leakThresholdMs > 0)
      this.#leaks = new LeakWatch(clock, settings.leakThresholdMs, (leak) => this.#onLeak(leak));
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
    const { acquireStarted } = this.#events;
    const stack = this.#leaks && callerStack(this.#environment.entryPoints);
    const origin = { acquireId: this.#environment.nextAcquireId(), stack, context };
    if (acquireStarted.wanted)
      acquireStarted.publish({ pool: this.#events.pool, target: this.#target, acquireId: origin.acquireId });
    return origin;
  }

  /** Whether anybody wants to know about acquires and leases. */
  get wanted(): boolean {
    return this.#leaks !== undefined || this.#events.acquireStarted.wanted || this.#isAcquiredWanted();
  }

  /**
   * The lease of an idle connection, asked for and given in one breath.
   *
   * @throws {BrokerPoolError} `POOL_CLOSED`
   */
  leaseAtOnce(connection: PooledConnection, nowMs: () => number): Lease {
    const { acquireId, stack } = this.#begin(undefined);
    if (connection.state === 'leased')
      return this.#lease(connection, acquireId, stack, nowMs(), 0, undefined);
    // A listener that has just heard of it has ended the pool.
    const error = explainedError(new BrokerPoolError('POOL_CLOSED', 'the pool was destroyed'), {
      ...this.#target,
      attempts: 0,
      elapsedMs: 0,
    });
    this.#publishFailed(acquireId, error, 0);
    throw error;
  }

  /** The lease of whoever has waited for it. */
  lease(
    connection: PooledConnection,
    origin: AcquireOrigin | undefined,
    nowMs: number,
    waitMs: number,
  ): Lease {
    const acquireId = origin?.acquireId ?? this.#environment.nextAcquireId();
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
    this.#leases.set(connection, { acquireId, leasedAtMs: nowMs });
    this.#leaks?.begin(lease, connection, acquireId, stack ?? '');
    const { id: connectionId, route } = connection;
    this.#events.acquired.publish(
      { pool: this.#events.pool, target: this.#target, acquireId, connectionId, route, waitMs },
      context,
    );
    return lease;
  }

  /** A lease is over. */
  end(connection: PooledConnection, nowMs: () => number): void {
    this.#leaks?.end(connection);
    if (this.#leases.size === 0) return;
    const watched = this.#leases.get(connection);
    // Nobody was told that it began.
    if (watched === undefined) return;
    this.#leases.delete(connection);
    const { acquireId, leasedAtMs } = watched;
    const { pool, released } = this.#events;
    if (!released.wanted) return;
    released.publish({
      pool,
      target: this.#target,
      acquireId,
      connectionId: connection.id,
      heldMs: nowMs() - leasedAtMs,
    });
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
    const acquireId = id ?? this.#environment.nextAcquireId();
    acquireFailed.publish(
      { pool, target: this.#target, acquireId, reason: error.code, error: asFailure(error), waitMs },
      context,
    );
  }

  stop(): void {
    this.#leaks?.stop();
  }

  /** Whoever wants to know how long leases are held needs the time and number that come with `acquired`. */
  #isAcquiredWanted(): boolean {
    return this.#events.acquired.wanted || this.#events.released.wanted;
  }

  #onLeak({ connection, acquireId, heldMs, stack, lost }: Leak): void {
    const { pool, leakSuspected } = this.#events;
    if (leakSuspected.wanted) {
      leakSuspected.publish({
        pool,
        target: this.#target,
        acquireId,
        connectionId: connection.id,
        heldMs,
        stack,
        lost,
      });
    } else {
      const message = `a lease of ${this.#target.serviceName} ${lost ? 'was lost' : 'is out'} after ${Math.round(heldMs)} ms without being released`;
      outOfContext(() => warnProcess('BROKER_POOL_LEAK', message, `acquired\n${stack}`));
    }
    if (lost) this.#onLost(connection);
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
