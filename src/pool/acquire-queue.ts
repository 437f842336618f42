import { failOnAbort } from '../abort.js';
import type { CachedClock, CachedTime, Clock, SharedTimer } from '../clock.js';
import type { BrokerPoolError } from '../errors.js';
import { ABORTED, callerError, type PoolSnapshot } from './acquire-errors.js';
import { rejectionOf } from '../caller-stack.js';
import { leaseOf, type Lease } from './lease.js';
import type { PooledConnection } from './pooled-connection.js';
import { WaiterQueue, type QueuedWaiter } from './containers.js';
import { Histogram } from '../histogram.js';
import type { AcquireOrigin, LeaseWatch } from './watching/lease-watch.js';

/** A sweep follows another no sooner than this, in milliseconds: a timeout is never that much too late. */
const SHORTEST_SWEEP_MS = 4;
const LONGEST_SWEEP_MS = 25;
/** So many waiters make the next sweep one millisecond later: sweeping stays cheap beside serving. */
const WAITERS_PER_SWEEP_MS = 5_000;

/** A caller of `acquire` that waits. Small: thousands may wait, and the garbage collector moves each. */
export interface Waiter extends QueuedWaiter<Waiter> {
  /** When the wait began. */
  readonly started: CachedTime;
  readonly timeoutMs: number;
  readonly origin: AcquireOrigin | undefined;
  /** Connect attempts that had ended when the wait began. */
  readonly attemptsBefore: number;
  /** Settles the caller's promise. */
  settle: (outcome: Lease | Promise<never>) => void;
  /** Removes the abort listener. */
  stopListening: (() => void) | undefined;
}

/** What the pool does for waiters that give up. */
interface WaitersPump {
  snapshot(): PoolSnapshot;
  timeoutError(timeoutMs: number): BrokerPoolError;
  run(): void;
}

/** The place of a function that is known a moment later. */
const UNSETTLED = (): void => {};

/**
 * The callers that wait for a connection, each with its deadline, each settled once.
 *
 * Few waiters time out, so deadlines cost nothing on the way in and out: the pool's timer is set to the
 * earliest deadline, and then the whole queue is swept.
 */
export class AcquireQueue extends WaiterQueue<Waiter> {
  readonly waits = new Histogram();
  /** How many waiters have timed out. */
  timeouts = 0;
  /** When the queue must be swept. */
  sweepAtMs = Infinity;
  readonly #clock: Clock;
  readonly #cachedClock: CachedClock;
  readonly #timer: SharedTimer;
  readonly #watch: LeaseWatch;
  #latestDeadlineMs = 0;
  /** Its first word tells other threads whether callers wait: 1 or 0. */
  #demand: Int32Array | undefined;

  constructor(clock: Clock, cachedClock: CachedClock, timer: SharedTimer, watch: LeaseWatch) {
    super();
    this.#clock = clock;
    this.#cachedClock = cachedClock;
    this.#timer = timer;
    this.#watch = watch;
  }

  /** Has the first word say to other threads from now on whether callers wait. */
  showDemand(words: Int32Array): void {
    this.#demand = words;
    Atomics.store(words, 0, this.size > 0 ? 1 : 0);
  }

  /** Until when a caller waits, on the monotonic clock; 0 without callers. */
  get wantedUntilMs(): number {
    return this.size > 0 ? this.#latestDeadlineMs : 0;
  }

  /** How long the first waiter has waited; 0 without waiters. */
  get oldestWaitMs(): number {
    return this.first === undefined ? 0 : this.waitMs(this.first);
  }

  /** The promise of a lease, for a caller that comes to the end of the queue. */
  enter(timeoutMs: number, origin: AcquireOrigin | undefined, attemptsBefore: number): Promise<Lease> {
    const started = this.#cachedClock.time();
    const deadlineMs = started.ms + timeoutMs;
    // Reset when the queue is empty.
    if (deadlineMs > this.#latestDeadlineMs || this.size === 0) this.#latestDeadlineMs = deadlineMs;
    if (deadlineMs < this.sweepAtMs) this.sweepAtMs = deadlineMs;
    if (this.sweepAtMs < this.#timer.dueMs) this.#timer.set(this.sweepAtMs);
    if (this.size === 0) {
      this.#timer.keepAlive(true);
      if (this.#demand !== undefined) Atomics.store(this.#demand, 0, 1);
    }
    // Not made in the promise's own function: V8 makes that a slower acquire.
    const waiter: Waiter = {
      next: undefined,
      previous: undefined,
      started,
      timeoutMs,
      origin,
      attemptsBefore,
      settle: UNSETTLED,
      stopListening: undefined,
    };
    this.push(waiter);
    return new Promise((settle) => {
      waiter.settle = settle;
    });
  }

  /** Has a waiter fail when the signal aborts. */
  listen(waiter: Waiter, signal: AbortSignal, pump: WaitersPump): void {
    waiter.stopListening = failOnAbort(signal, ABORTED, (failure) => {
      if (!this.includes(waiter)) return;
      this.fail(waiter, failure, false, pump.snapshot());
      pump.run();
    });
    // A signal that is not a real one may have run any code.
    if (!this.includes(waiter)) waiter.stopListening();
  }

  /** Leases a connection to the first waiter. */
  serveFirst(connection: PooledConnection): void {
    const waiter = this.shift();
    if (waiter === undefined) throw new Error('the queue is empty');
    if (this.size === 0) {
      this.#timer.keepAlive(false);
      if (this.#demand !== undefined) Atomics.store(this.#demand, 0, 0);
    }
    waiter.stopListening?.();
    const now = this.#cachedClock.time();
    // Waits within one turn of the loop count as 0 ms and are not recorded, as those of an idle connection.
    const waitMs = now === waiter.started ? 0 : now.ms - waiter.started.ms;
    if (waitMs > 0) this.waits.record(waitMs);
    const watch = this.#watch;
    waiter.settle(
      watch.wanted ? watch.lease(connection, waiter.origin, now.ms, waitMs) : leaseOf(connection),
    );
  }

  /**
   * Takes a waiter out and rejects its promise.
   *
   * @param isShared whether other callers may have the same failure
   * @param snapshot taken while the waiter is in the queue
   */
  fail(waiter: Waiter, failure: BrokerPoolError, isShared: boolean, snapshot: PoolSnapshot): void {
    const waitMs = this.waitMs(waiter);
    const error = callerError(failure, isShared, snapshot, waiter.attemptsBefore, waitMs);
    this.remove(waiter);
    if (this.size === 0) {
      this.#timer.keepAlive(false);
      if (this.#demand !== undefined) Atomics.store(this.#demand, 0, 0);
    }
    waiter.stopListening?.();
    this.#watch.fail(waiter.origin, error, waitMs);
    waiter.settle(rejectionOf(error));
  }

  waitMs(waiter: Waiter): number {
    return Math.max(0, this.#clock.now() - waiter.started.ms);
  }

  /** Fails the waiters whose time is up by `dueByMs`. */
  expire(dueByMs: number, pump: WaitersPump): void {
    const expired = this.sweep(dueByMs);
    for (const waiter of expired) {
      // The end of one waiter may have been the end of others.
      if (!this.includes(waiter)) continue;
      this.timeouts += 1;
      this.fail(waiter, pump.timeoutError(waiter.timeoutMs), false, pump.snapshot());
    }
    if (expired.length > 0) pump.run();
  }

  /** The waiters whose time is up by `dueByMs`, still in the queue. Sets the next sweep. */
  sweep(dueByMs: number): readonly Waiter[] {
    const expired: Waiter[] = [];
    if (this.sweepAtMs > dueByMs) return expired;
    const nowMs = this.#clock.now();
    let nextMs = Infinity;
    let latestMs = 0;
    for (let waiter = this.first; waiter !== undefined; waiter = waiter.next) {
      const deadlineMs = waiter.started.ms + waiter.timeoutMs;
      if (deadlineMs <= dueByMs) expired.push(waiter);
      else nextMs = Math.min(nextMs, deadlineMs);
      latestMs = Math.max(latestMs, deadlineMs);
    }
    this.#latestDeadlineMs = latestMs;
    const waitersLeft = this.size - expired.length;
    const pauseMs = Math.min(LONGEST_SWEEP_MS, SHORTEST_SWEEP_MS + waitersLeft / WAITERS_PER_SWEEP_MS);
    // A deadline that is over meanwhile keeps its time: a late deadline waits for the kernel's bytes.
    this.sweepAtMs = nextMs <= nowMs ? nextMs : Math.max(nextMs, nowMs + pauseMs);
    return expired;
  }
}
