import { hasAborted } from '../abort.js';
import type { BrokerPoolError, TimeoutPhase } from '../errors.js';
import {
  abortedError,
  acquireTimeoutError,
  asPoolError,
  ownError,
  queueFullError,
  sharedError,
  type PoolSnapshot,
} from './acquire-errors.js';
import { Bag } from './bag.js';
import type { Target } from './target.js';
import { ConnectionCloser, type ConnectionCloserEnvironment } from './connection-closer.js';
import { Drains } from './drains.js';
import { HealthChecks } from './health-check.js';
import { LeaseWatch, type LeaseWatchEnvironment } from './watching/lease-watch.js';
import { leaseOf, type Lease } from './lease.js';
import type { CloseReason, PooledConnection } from './pooled-connection.js';
import { Pump, type PumpEnvironment, type PumpOwner } from './pump.js';
import { Reaper } from './reaper.js';
import type { PoolSettings } from './options.js';
import { countsOf, newCounters, type PoolCounts } from './watching/stats.js';
import {
  ConnectionOpener,
  type ConnectionOpenerEnvironment,
  type ConnectionOpenerOwner,
} from './connecting/connection-opener.js';
import { CachedClock } from './cached-clock.js';
import type { Waiter } from './waiter.js';
import { AcquireQueue } from './acquire-queue.js';
import { WarmUps } from './warm-ups.js';

/** What the pools of all targets share. */
export interface TargetEnvironment
  extends ConnectionOpenerEnvironment, ConnectionCloserEnvironment, PumpEnvironment, LeaseWatchEnvironment {
  readonly settings: PoolSettings;
}

/**
 * The pool of one target: a {@link Bag}, and the parts that work on it, which it brings together. Whatever
 * frees or adds capacity runs the {@link Pump}; whatever closes a connection goes through the {@link
 * ConnectionCloser}.
 *
 * The way of a lease out and back is here, with the fields it reads. Parts of it that were moved to other
 * objects made it slower: each hop costs, and what V8 inlines into what changes with it.
 */
export class TargetPool implements ConnectionOpenerOwner, PumpOwner {
  readonly target: Target;
  readonly #environment: TargetEnvironment;
  readonly #bag = new Bag<PooledConnection, Waiter>();
  readonly #opener: ConnectionOpener;
  readonly #cachedClock: CachedClock;
  readonly #now: () => number;
  readonly #watch: LeaseWatch;
  readonly #queue: AcquireQueue;
  readonly #health: HealthChecks;
  readonly #drains: Drains;
  readonly #reaper: Reaper;
  readonly #closer: ConnectionCloser;
  readonly #pump: Pump;
  readonly #warmUps: WarmUps;
  readonly #counters = newCounters();
  #closing = false;

  constructor(target: Target, environment: TargetEnvironment) {
    const { clock, settings, capacity } = environment;
    const pump = (): void => this.pump();
    const close = this.close.bind(this);
    this.target = target;
    this.#environment = environment;
    this.#opener = new ConnectionOpener(target, environment, this.#counters, this);
    this.#cachedClock = new CachedClock(clock, (nowMs) => this.#onTurnEnd(nowMs));
    this.#now = () => this.#cachedClock.now();
    this.#watch = new LeaseWatch(target, environment, (connection) => this.onDestroy(connection, 'leaked'));
    this.#queue = new AcquireQueue(this.#bag, clock, this.#cachedClock, this.#watch, {
      attempts: this.#opener.attempts,
      timeoutError: (timeoutMs) => this.#timeoutError(timeoutMs),
      explain: this.#explain.bind(this),
      onWaiter: () => this.#onWaiter(),
      pump,
    });
    const onHealthy = (connection: PooledConnection, wanted: boolean): void =>
      this.#pump.onHealthy(connection, wanted);
    this.#health = new HealthChecks(this.#bag, settings, clock, { onHealthy, close, pump });
    this.#drains = new Drains(this.#bag, clock, {
      onDrained: (connection, drained) => this.#onDrained(connection, drained),
    });
    const keepAlive = (connection: PooledConnection): void => void this.#health.check(connection, false);
    this.#reaper = new Reaper(clock, settings, { hasSpare: () => this.#pump.hasSpare, keepAlive, close });
    this.#closer = new ConnectionCloser(environment, this.#bag, this.#opener, this.#reaper, this.#counters);
    const parts = {
      bag: this.#bag,
      opener: this.#opener,
      health: this.#health,
      queue: this.#queue,
      closer: this.#closer,
    };
    this.#pump = new Pump(environment, parts, this);
    this.#warmUps = new WarmUps(clock);
    if (target.serviceName === settings.serviceName && target.wantedVersion === settings.wantedVersion)
      this.#pump.keepMinimum();
    capacity?.join(this);
    this.#pump.keepWarm();
  }

  /** An idle connection at once, or `undefined`. */
  tryAcquire(): Lease | undefined {
    const connection = this.#borrowAtOnce();
    return connection && this.#lease(connection);
  }

  /** A connection as soon as there is one; the checks of the options are behind us. */
  acquire(timeoutMs: number, signal: AbortSignal | undefined): Promise<Lease> {
    if (signal !== undefined && hasAborted(signal)) return this.#refuse(abortedError(signal));
    const connection = this.#borrowAtOnce();
    if (connection !== undefined) return Promise.resolve(this.#lease(connection));
    const { maxWaiting } = this.#environment.settings;
    if (this.#bag.waiting >= maxWaiting && this.#bag.waiting - this.#pump.places >= maxWaiting)
      return this.#refuse(queueFullError(maxWaiting));
    const refusal = this.#bag.size === 0 ? this.#opener.refusal : undefined;
    if (refusal !== undefined) return this.#refuse(refusal);
    return this.#queue.enter(timeoutMs, signal);
  }

  /**
   * Resolves when `min` connections are open, rejects when one cannot be opened. From now on so many are
   * kept.
   */
  async warm(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { clock } = this.#environment;
    const startedMs = clock.now();
    const attemptsBefore = this.#opener.attempts.ended;
    let timeUp = false;
    try {
      if (signal !== undefined && hasAborted(signal)) throw abortedError(signal);
      this.#pump.keepMinimum();
      this.#opener.retryNow();
      if (this.#pump.warm) return;
      const warm = this.#warmUps.wait(timeoutMs, signal, () => {
        timeUp = true;
        return this.#timeoutError(timeoutMs);
      });
      this.#pump.keepWarm();
      await warm;
    } catch (error) {
      const failure = asPoolError(error);
      const shared = !timeUp && failure.code !== 'ABORTED' && failure.code !== 'POOL_CLOSED';
      throw this.#explain(failure, shared, attemptsBefore, clock.now() - startedMs);
    }
  }

  onRelease(connection: PooledConnection): void {
    // A pool that was destroyed has ended the lease already.
    if (connection.state !== 'leased') return;
    this.#watch.end(connection, this.#now);
    const reason = connection.recycle() ?? this.#whyNotKeep();
    if (reason === undefined) this.#offer(connection);
    else if (reason === 'unsent') this.#drains.begin(connection);
    else this.close(connection, reason);
  }

  onDestroy(connection: PooledConnection, reason: CloseReason): void {
    if (connection.state === 'leased') this.#watch.end(connection, this.#now);
    this.close(connection, reason);
  }

  close(connection: PooledConnection, reason: CloseReason, error?: BrokerPoolError): void {
    this.#drains.stop(connection);
    this.#health.stop(connection);
    if (this.#closer.remove(connection, reason, error)) this.#pump.run();
  }

  /**
   * Forgets the endpoint; idle connections close now, leased ones when they come back, connects under way
   * when they arrive.
   */
  clear(): void {
    const { events } = this.#environment;
    if (events.cleared.wanted) events.cleared.publish({ pool: events.pool, target: this.target });
    this.#opener.clear(this.#bag.entries());
    this.#closer.retireAll('stale');
    this.#pump.run();
  }

  /** Serves who waits, opens nothing for anybody else, keeps nothing that comes back. */
  beginClose(): void {
    this.#closing = true;
    this.#pump.run();
  }

  /** Whether it holds nothing, waits for nothing and keeps nothing warm. */
  get unused(): boolean {
    return (
      this.held === 0 &&
      this.#opener.connects.size === 0 &&
      this.#bag.waiting === 0 &&
      this.#pump.minimum === 0
    );
  }

  /** Ends an unused pool. */
  drop(): void {
    this.#stop();
    this.#environment.capacity?.leave(this);
  }

  /** Whether nobody holds or waits for anything. */
  get quiet(): boolean {
    return this.#bag.leased === 0 && this.#bag.waiting === 0 && this.#drains.size === 0;
  }

  /** Closes everything and fails who waits. */
  destroy(error: BrokerPoolError): void {
    this.#closing = true;
    this.#opener.stop();
    this.#queue.end(error);
    this.#warmUps.endAll(error);
    for (const connection of this.#bag.entries()) this.onDestroy(connection, 'poolClosed');
    this.#stop();
  }

  get closing(): boolean {
    return this.#closing;
  }

  get size(): number {
    return this.#bag.size;
  }

  get spare(): number {
    return this.#bag.idle + this.#opener.connects.placed;
  }

  get idleSinceMs(): number {
    const oldest = this.#bag.oldestIdle;
    if (oldest === undefined) return Infinity;
    return oldest.resting ? oldest.idleSinceMs : Number.MAX_VALUE;
  }

  get waiting(): number {
    return this.#bag.waiting;
  }

  get held(): number {
    return this.#bag.size + this.#opener.connects.placed;
  }

  wantedUntilMs(): number {
    return this.#queue.wantedUntilMs;
  }

  evictIdle(): boolean {
    return this.#closer.evictIdle();
  }

  yieldConnect(): boolean {
    return this.#opener.connects.yieldPlace();
  }

  onOpened(connection: PooledConnection): void {
    this.#bag.add(connection);
    this.#reaper.add(connection);
    const reason = connection.recycle() ?? (this.#bag.waiting === 0 ? this.#whyNotKeep() : undefined);
    if (reason !== undefined) this.#closer.remove(connection, reason === 'unsent' ? 'dirty' : reason);
    else if (this.#environment.settings.validate !== undefined && this.#opener.isFromMemory(connection))
      this.#validateFirst(connection);
    else this.#offer(connection);
    // One connect less is under way: another may begin.
    this.#pump.run();
    if (!this.#closing && this.#pump.warm) this.#warmUps.endAll();
  }

  /**
   * With nothing left to wait for, everybody learns the cause. While there are connections, callers may still
   * be served by them, and connecting is tried again after a pause; while other connects are under way, those
   * decide.
   */
  onOpenFailed(error: BrokerPoolError): void {
    this.#warmUps.endAll(error);
    if (this.#bag.size > 0) this.#pump.run();
    else if (this.#opener.connects.size === 0) this.#queue.failAll(error);
  }

  pump(): void {
    this.#pump.run();
  }

  borrow(validated?: PooledConnection): PooledConnection | undefined {
    for (;;) {
      const connection = this.#bag.newestIdle;
      if (connection === undefined || (connection !== validated && this.#health.isDue(connection, this.#now)))
        return undefined;
      // Its death shows in an event, and somebody who kept the socket may have caused it in this very turn.
      if (connection.socket.destroyed) {
        this.close(connection, 'stale');
        continue;
      }
      this.#bag.borrow();
      connection.use(this.#environment.settings.maxUses);
      return connection;
    }
  }

  counts(): PoolCounts {
    const { size: total, idle, leased, waiting } = this.#bag;
    return countsOf(this.#counters, this.#bag.entries(), {
      total,
      idle,
      leased,
      connecting: this.#opener.connects.placed,
      pausing: this.#opener.connects.unplaced,
      waiting,
      oldestWaitMs: this.#queue.oldestWaitMs,
      timeouts: this.#queue.timeouts,
      waits: this.#queue.times,
      connects: this.#opener.connectTimes,
    });
  }

  /** Takes all timers away. */
  #stop(): void {
    this.#opener.stop();
    this.#reaper.stop();
    this.#watch.stop();
    this.#queue.stop();
    this.#cachedClock.stop();
  }

  /** An idle connection for somebody who has just come, and is not to overtake anybody. */
  #borrowAtOnce(): PooledConnection | undefined {
    return this.#bag.waiting > 0 || this.#closing ? undefined : this.borrow();
  }

  #lease(connection: PooledConnection): Lease {
    return this.#watch.wanted ? this.#watch.leaseAtOnce(connection, this.#now) : leaseOf(connection);
  }

  /** A connection in good order that nobody holds: for whoever stands first, else to be idle. */
  #offer(connection: PooledConnection): void {
    if (this.#bag.waiting > 0) {
      connection.use(this.#environment.settings.maxUses);
      this.#queue.serveFirst(connection);
      // What was under way for the caller may make room for another target.
      if (this.#bag.waiting === 0 && this.#opener.connects.placed > 0) this.#pump.run();
      return;
    }
    this.#bag.giveBack(connection);
    this.#cachedClock.markBusy();
    if (this.#closing) this.#pump.run();
  }

  /** A remembered endpoint is a hint: another program may listen there by now. */
  #validateFirst(connection: PooledConnection): void {
    const isWanted = this.#bag.waiting > 0;
    if (!isWanted) connection.rest(this.#now());
    void this.#health.check(connection, isWanted);
  }

  /** The last bytes of a connection that came back have left, or its time for that is up. */
  #onDrained(connection: PooledConnection, drained: boolean): void {
    const reason = drained ? (connection.recycle() ?? this.#whyNotKeep()) : 'dirty';
    if (reason !== undefined) return this.close(connection, reason === 'unsent' ? 'dirty' : reason);
    this.#bag.giveBack(connection);
    this.#cachedClock.markBusy();
    this.#pump.run();
  }

  /** Why a connection in good order is not kept. */
  #whyNotKeep(): CloseReason | undefined {
    return this.#environment.capacity?.shouldYield(this) ? 'evicted' : undefined;
  }

  #onWaiter(): void {
    // Checks that are under way began for those who came before.
    this.#health.expectAtMost(this.#bag.waiting - 1);
    // There was nothing idle but what must be validated: with neither that nor room for more, the pump could
    // only look in vain.
    if (this.#bag.idle > 0 || !this.#opener.full) this.#pump.run();
  }

  #onTurnEnd(nowMs: number): void {
    for (
      let connection = this.#bag.newestIdle;
      connection !== undefined && !connection.resting;
      connection = connection.older
    ) {
      connection.rest(nowMs);
    }
  }

  /** An acquire that fails before it waits. */
  #refuse(failure: BrokerPoolError): Promise<never> {
    const error = ownError(failure, this.#snapshot(0, 0));
    this.#watch.refuse(error);
    return Promise.reject(error);
  }

  #timeoutError(timeoutMs: number): BrokerPoolError {
    return acquireTimeoutError(timeoutMs, this.#phase(), this.#opener.lastError);
  }

  #explain(
    failure: BrokerPoolError,
    shared: boolean,
    attemptsBefore: number,
    waitedMs: number,
  ): BrokerPoolError {
    const situation = this.#snapshot(this.#opener.attempts.begun - attemptsBefore, waitedMs);
    return shared ? sharedError(failure, situation) : ownError(failure, situation);
  }

  #phase(): TimeoutPhase {
    return (
      this.#opener.phase(this.#pump.mayOpen) ??
      (this.#bag.reserved > this.#drains.size ? 'validate' : 'queue')
    );
  }

  #snapshot(attempts: number, elapsedMs: number): PoolSnapshot {
    const { size: total, idle, leased, waiting } = this.#bag;
    const { max } = this.#environment.settings;
    return {
      target: this.target,
      max,
      total,
      idle,
      leased,
      connecting: this.#opener.connects.placed,
      waiting,
      attempts,
      elapsedMs,
    };
  }
}
