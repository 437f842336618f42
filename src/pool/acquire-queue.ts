import { failOnAbort } from '../abort.js';
import type { CachedClock, CachedTime, Clock, SharedTimer } from '../clock.js';
import type { BrokerPoolError } from '../errors.js';
import { ABORTED, callerError, type PoolSnapshot } from './acquire-errors.js';
import { rejectionOf } from '../caller-stack.js';
import { leaseOf, type Lease } from './lease.js';
import type { PooledConnection } from './pooled-connection.js';
import { LinkedQueue, type QueueItem } from './containers.js';
import { Histogram } from '../histogram.js';
import type { AcquireOrigin, LeaseWatch } from './watching/lease-watch.js';

/** A sweep follows another no sooner than this, in milliseconds: a timeout is never that much too late. */
const SHORTEST_SWEEP_MS = 4;
const LONGEST_SWEEP_MS = 25;
/** The next sweep comes a millisecond later for each 5,000 waiters: sweeping stays cheap beside serving. */
const WAITERS_PER_SWEEP_MS = 5_000;

/** The values that the waiters of one turn share. */
interface WaitTerms {
  /** When the wait began. */
  readonly started: CachedTime;
  readonly timeoutMs: number;
  readonly origin: AcquireOrigin | undefined;
  /** Connect attempts that had ended when the wait began. */
  readonly attemptsBefore: number;
  /** Removes the abort listener. */
  readonly stopListening: (() => void) | undefined;
}

/** When a connect began, in which turn, and when its connection was ready. */
interface ConnectTimes {
  readonly turn: CachedTime | undefined;
  readonly startedMs: number;
  readonly readyMs: number;
}

/** A caller of `acquire` that waits. Small: thousands may wait, and the garbage collector moves each. */
export interface Waiter extends QueueItem<Waiter> {
  /** A waiter with a signal or an origin has terms of its own; the others share theirs. */
  terms: WaitTerms;
  /** Settles the caller's promise. */
  settle: (outcome: Lease | Promise<never>) => void;
}

/** The place of a function that is known a moment later. */
const UNSETTLED = (): void => {};

/**
 * The callers that wait for a connection, each with its deadline, each settled once.
 *
 * Few waiters time out, so deadlines cost nothing on the way in and out: the pool's timer is set to the
 * earliest deadline, and then the whole queue is swept.
 */
export class AcquireQueue extends LinkedQueue<Waiter> {
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
  /** The first word of this memory tells other threads whether callers wait: 1 or 0. */
  #demand: Int32Array | undefined;
  /** The latest waiter's terms, whose deadline the sweep knows. */
  #terms: WaitTerms | undefined;

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
    let terms = this.#terms;
    if (
      terms?.started !== started ||
      terms.timeoutMs !== timeoutMs ||
      terms.attemptsBefore !== attemptsBefore ||
      origin !== undefined ||
      this.size === 0
    )
      terms = this.#begin({ started, timeoutMs, origin, attemptsBefore, stopListening: undefined });
    // Not made in the promise's own function: V8 makes that a slower acquire.
    const waiter: Waiter = {
      next: undefined,
      previous: undefined,
      terms,
      settle: UNSETTLED,
    };
    this.push(waiter);
    return new Promise((settle) => {
      waiter.settle = settle;
    });
  }

  /** Has the sweep come by the deadline of a waiter that is about to stand in the queue. */
  #begin(terms: WaitTerms): WaitTerms {
    const deadlineMs = terms.started.ms + terms.timeoutMs;
    // Reset when the queue is empty.
    if (deadlineMs > this.#latestDeadlineMs || this.size === 0) this.#latestDeadlineMs = deadlineMs;
    if (deadlineMs < this.sweepAtMs) this.sweepAtMs = deadlineMs;
    if (this.sweepAtMs < this.#timer.dueMs) this.#timer.set(this.sweepAtMs);
    if (this.size === 0) this.#onDemand(true);
    // An origin holds its caller's context, which must not outlive the wait.
    if (terms.origin === undefined) this.#terms = terms;
    return terms;
  }

  /** Callers begin to wait, or wait no more. */
  #onDemand(isWaiting: boolean): void {
    this.#timer.keepAlive(isWaiting);
    if (this.#demand !== undefined) Atomics.store(this.#demand, 0, Number(isWaiting));
  }

  /** Calls `onAbort` where the signal aborts while the waiter is in the queue. */
  listen(waiter: Waiter, signal: AbortSignal, onAbort: (failure: BrokerPoolError) => void): void {
    const stopListening = failOnAbort(signal, ABORTED, (failure) => {
      if (this.includes(waiter)) onAbort(failure);
    });
    // A signal that is not a real one may have run any code.
    if (!this.includes(waiter)) stopListening();
    else waiter.terms = { ...waiter.terms, stopListening };
  }

  /** Leases a connection to the first waiter. @param connect the connect that has just opened the connection */
  serveFirst(connection: PooledConnection, connect?: ConnectTimes): void {
    const waiter = this.shift();
    if (waiter === undefined) throw new Error('the queue is empty');
    if (this.size === 0) this.#onDemand(false);
    const { terms } = waiter;
    terms.stopListening?.();
    const now = this.#cachedClock.time();
    const { started } = terms;
    // Waits within one turn of the loop count as 0 ms and are not recorded, as those of an idle connection.
    let waitMs = 0;
    // A turn with connects may be long, and its time is that of its end: the connect knows both ends of the wait.
    if (connect !== undefined && started === connect.turn) waitMs = connect.readyMs - connect.startedMs;
    else if (now !== started) waitMs = (connect?.readyMs ?? now.ms) - started.ms;
    if (waitMs > 0) this.waits.record(waitMs);
    const watch = this.#watch;
    waiter.settle(watch.wanted ? watch.lease(connection, terms.origin, now.ms, waitMs) : leaseOf(connection));
  }

  /**
   * Takes a waiter out and rejects its promise.
   *
   * @param isShared whether other callers may have the same failure
   * @param snapshot taken while the waiter is in the queue
   */
  fail(waiter: Waiter, failure: BrokerPoolError, isShared: boolean, snapshot: PoolSnapshot): void {
    const { terms } = waiter;
    const waitMs = this.waitMs(waiter);
    const error = callerError(failure, isShared, snapshot, terms.attemptsBefore, waitMs);
    this.remove(waiter);
    if (this.size === 0) this.#onDemand(false);
    terms.stopListening?.();
    this.#watch.fail(terms.origin, error, waitMs);
    waiter.settle(rejectionOf(error));
  }

  /** Fails all waiters. @param isShared whether other callers may have the same failure */
  failAll(failure: BrokerPoolError, isShared: boolean, snapshot: () => PoolSnapshot): void {
    for (let waiter = this.first; waiter !== undefined; waiter = this.first)
      this.fail(waiter, failure, isShared, snapshot());
  }

  /** Fails the waiters whose time is up by `dueByMs`. Returns whether there was one. */
  expire(
    dueByMs: number,
    timeoutError: (timeoutMs: number) => BrokerPoolError,
    snapshot: () => PoolSnapshot,
  ): boolean {
    const expired = this.#sweep(dueByMs);
    for (const waiter of expired) {
      // The end of one waiter may have been the end of others.
      if (!this.includes(waiter)) continue;
      this.timeouts += 1;
      this.fail(waiter, timeoutError(waiter.terms.timeoutMs), false, snapshot());
    }
    return expired.length > 0;
  }

  waitMs(waiter: Waiter): number {
    return Math.max(0, this.#clock.now() - waiter.terms.started.ms);
  }

  /** The waiters whose time is up by `dueByMs`; they stay in the queue. Sets the next sweep. */
  #sweep(dueByMs: number): readonly Waiter[] {
    const expired: Waiter[] = [];
    if (this.sweepAtMs > dueByMs) return expired;
    const nowMs = this.#clock.now();
    let nextMs = Infinity;
    let latestMs = 0;
    for (let waiter = this.first; waiter !== undefined; waiter = waiter.next) {
      const { started, timeoutMs } = waiter.terms;
      const deadlineMs = started.ms + timeoutMs;
      if (deadlineMs <= dueByMs) expired.push(waiter);
      else nextMs = Math.min(nextMs, deadlineMs);
      latestMs = Math.max(latestMs, deadlineMs);
    }
    this.#latestDeadlineMs = latestMs;
    // The deadlines of waiters that have left are forgotten.
    this.#terms = undefined;
    const waitersLeft = this.size - expired.length;
    const pauseMs = Math.min(LONGEST_SWEEP_MS, SHORTEST_SWEEP_MS + waitersLeft / WAITERS_PER_SWEEP_MS);
    // A deadline that is over meanwhile keeps its time: a late deadline waits for the kernel's bytes.
    this.sweepAtMs = nextMs <= nowMs ? nextMs : Math.max(nextMs, nowMs + pauseMs);
    return expired;
  }
}
