import type { Clock } from '../../clock.js';
import { asFailure, BrokerPoolError } from '../../errors.js';
import { explainedError } from '../../explained-error.js';
import type { Target } from '../target.js';
import type { EventSources } from './events.js';
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

/** Tells listeners and the leak watch about the acquires and leases of one target. With neither there, a lease costs one question. */
export class LeaseWatch {
  readonly #target: Target;
  readonly #events: EventSources;
  readonly #leaks: LeakWatch | undefined;
  readonly #environment: LeaseWatchEnvironment;
  readonly #onLost: (connection: PooledConnection) => void;
  /** The leases that were watched when they began. */
  readonly #leases = new Map<PooledConnection, WatchedLease>();

  /** @param onLost is told of a connection whose lease nobody can release any more */
  constructor(target: Target, environment: LeaseWatchEnvironment, onLost: (connection: PooledConnection) => void) {
    const { clock, events, settings } = environment;
    this.#target = target;
    this.#environment = environment;
    this.#events = events;
    this.#onLost = onLost;
    if (settings.leakThresholdMs > 0) this.#leaks = new LeakWatch(clock, settings.leakThresholdMs, (leak) => this.#onLeak(leak));
  }

  /** An acquire begins. `undefined` where nobody watches. */
  begin(): AcquireOrigin | undefined {
    const { acquireStarted } = this.#events;
    if (this.#leaks === undefined && !acquireStarted.wanted) return undefined;
    const origin = { acquireId: this.#environment.nextAcquireId(), stack: this.#leaks && callerStack(this.#environment.entryPoints) };
    if (acquireStarted.wanted) acquireStarted.publish({ pool: this.#events.pool, target: this.#target, acquireId: origin.acquireId });
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
    const origin = this.begin();
    if (connection.state === 'leased') return this.lease(connection, origin, nowMs(), 0);
    // A listener that has just heard of it has ended the pool.
    const error = explainedError(new BrokerPoolError('POOL_CLOSED', 'the pool was destroyed'), { ...this.#target, elapsedMs: 0 });
    this.fail(origin, error, 0);
    throw error;
  }

  /** The lease of whoever has waited for it. */
  lease(connection: PooledConnection, origin: AcquireOrigin | undefined, nowMs: number, waitMs: number): Lease {
    const lease = leaseOf(connection);
    if (this.#leaks === undefined && !this.#isAcquiredWanted()) return lease;
    const acquireId = origin?.acquireId ?? this.#environment.nextAcquireId();
    this.#leases.set(connection, { acquireId, leasedAtMs: nowMs });
    this.#leaks?.begin(lease, connection, acquireId, origin?.stack ?? '');
    const { id: connectionId, route } = connection;
    this.#events.acquired.publish({ pool: this.#events.pool, target: this.#target, acquireId, connectionId, route, waitMs });
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
    released.publish({ pool, target: this.#target, acquireId, connectionId: connection.id, heldMs: nowMs() - leasedAtMs });
  }

  fail(origin: AcquireOrigin | undefined, error: BrokerPoolError, waitMs: number): void {
    const { pool, acquireFailed } = this.#events;
    if (!acquireFailed.wanted) return;
    const acquireId = origin?.acquireId ?? this.#environment.nextAcquireId();
    acquireFailed.publish({ pool, target: this.#target, acquireId, reason: error.code, error: asFailure(error), waitMs });
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
      leakSuspected.publish({ pool, target: this.#target, acquireId, connectionId: connection.id, heldMs, stack, lost });
    } else {
      warn(`a lease of ${this.#target.serviceName} ${lost ? 'was lost' : 'is out'} after ${Math.round(heldMs)} ms without being released`, stack);
    }
    if (lost) this.#onLost(connection);
  }
}

/** Publishes an acquire that its pool refuses before a target hears of it. */
export function publishRefusal(events: EventSources, target: Target, acquireId: number, error: BrokerPoolError): void {
  const { pool, acquireStarted, acquireFailed } = events;
  if (acquireStarted.wanted) acquireStarted.publish({ pool, target, acquireId });
  if (acquireFailed.wanted) acquireFailed.publish({ pool, target, acquireId, reason: error.code, error: asFailure(error), waitMs: 0 });
}

/** A leak that nobody listens for is worth a warning of the process. */
function warn(message: string, stack: string): void {
  process.emitWarning(message, { type: 'BrokerPoolWarning', code: 'BROKER_POOL_LEAK', detail: `acquired\n${stack}` });
}
