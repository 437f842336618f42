import { hasAborted, onAbort } from '../abort.js';
import type { Clock, Deadline } from '../clock.js';
import type { BrokerPoolError } from '../errors.js';
import { abortedError, brokenSignalError } from './acquire-errors.js';
import type { Bag } from './bag.js';
import { Histogram } from './watching/histogram.js';
import type { LeaseWatch } from './watching/lease-watch.js';
import { leaseOf, type Lease } from './lease.js';
import type { PooledConnection } from './pooled-connection.js';
import type { CachedClock } from './cached-clock.js';
import { Waiter } from './waiter.js';

/** The target pool, as its waiting room sees it. */
export interface AcquireQueueOwner {
  /** The error for a caller whose time is up. */
  timeoutError(timeoutMs: number): BrokerPoolError;
  /** Attempts to connect that have ended. */
  readonly attempts: { readonly ended: number };
  /** The error of one caller for a failure. @param shared whether other callers may have the same failure */
  explain(
    failure: BrokerPoolError,
    shared: boolean,
    attemptsBefore: number,
    waitedMs: number,
  ): BrokerPoolError;
  /** Somebody came to the end of the queue. */
  onWaiter(): void;
  /** Somebody left without a lease. */
  pump(): void;
}

/** A sweep follows another no sooner than this, in milliseconds: nobody is told that much too late. */
const SHORTEST_SWEEP_MS = 4;
const LONGEST_SWEEP_MS = 25;
/**
 * How many waiters make the next sweep one millisecond later, so that sweeping stays cheap beside serving.
 */
const WAITERS_PER_SWEEP_MS = 5_000;

/**
 * The callers that wait in the queue of a bag: each with its deadline and its signal, each settled once.
 *
 * Hardly ever does one of them wait in vain, so deadlines cost nothing on the way in and out. One timer, set
 * to the earliest deadline that was seen, looks through the queue; it sleeps while nobody waits.
 */
export class AcquireQueue {
  readonly times = new Histogram();
  readonly #queue: Bag<PooledConnection, Waiter>;
  readonly #clock: Clock;
  readonly #cachedClock: CachedClock;
  readonly #watch: LeaseWatch;
  readonly #owner: AcquireQueueOwner;
  #latestDeadlineMs = 0;
  #sweepAtMs = Infinity;
  #sweepTimer: Deadline | undefined;
  #timeouts = 0;
  #endedBy: BrokerPoolError | undefined;

  constructor(
    queue: Bag<PooledConnection, Waiter>,
    clock: Clock,
    turn: CachedClock,
    watch: LeaseWatch,
    owner: AcquireQueueOwner,
  ) {
    this.#queue = queue;
    this.#clock = clock;
    this.#cachedClock = turn;
    this.#watch = watch;
    this.#owner = owner;
  }

  /** How many have left because their time was up. */
  get timeouts(): number {
    return this.#timeouts;
  }

  /** Until when somebody waits, on the monotonic clock; 0 where nobody does. */
  get wantedUntilMs(): number {
    return this.#queue.waiting > 0 ? this.#latestDeadlineMs : 0;
  }

  /** How long whoever is served next has waited; 0 where nobody waits. */
  get oldestWaitMs(): number {
    const { firstWaiter } = this.#queue;
    return firstWaiter === undefined ? 0 : Math.max(0, this.#clock.now() - firstWaiter.started.ms);
  }

  /** A promise of a lease, for the end of the queue. */
  enter(timeoutMs: number, signal: AbortSignal | undefined): Promise<Lease> {
    const origin = this.#watch.beginWait();
    // A listener that has just heard of it may have ended the pool, or given the acquire up.
    const failure =
      this.#endedBy ?? (signal !== undefined && hasAborted(signal) ? abortedError(signal) : undefined);
    const { attempts } = this.#owner;
    if (failure !== undefined) {
      const error = this.#owner.explain(failure, false, attempts.ended, 0);
      this.#watch.fail(origin, error, 0);
      return Promise.reject(error);
    }
    const waiter = new Waiter(this.#cachedClock.time(), timeoutMs, origin, attempts.ended);
    const deadlineMs = waiter.started.ms + timeoutMs;
    // Of those who are gone nobody waits any more.
    if (deadlineMs > this.#latestDeadlineMs || this.#queue.waiting === 0) this.#latestDeadlineMs = deadlineMs;
    if (deadlineMs < this.#sweepAtMs) this.#sweepAt(deadlineMs);
    this.#queue.enqueue(waiter);
    if (this.#queue.waiting === 1) this.#sweepTimer?.keepAlive(true);
    const lease = waiter.wait();
    if (signal !== undefined) this.#listen(waiter, signal);
    this.#owner.onWaiter();
    return lease;
  }

  /** Leases a connection to whoever stands first. */
  serveFirst(connection: PooledConnection): void {
    const waiter = this.#queue.dequeue();
    if (waiter === undefined) throw new Error('nobody waits');
    this.#onGone();
    waiter.stopListening?.();
    const now = this.#cachedClock.time();
    // Who came in this very turn did not wait, and is counted by what is missing here, like those who found
    // an idle connection.
    const waitMs = now === waiter.started ? 0 : now.ms - waiter.started.ms;
    if (waitMs > 0) this.times.record(waitMs);
    waiter.serve(
      this.#watch.wanted ? this.#watch.lease(connection, waiter.origin, now.ms, waitMs) : leaseOf(connection),
    );
  }

  fail(waiter: Waiter, failure: BrokerPoolError): void {
    if (!this.#queue.isQueued(waiter)) return;
    const waitMs = this.#waitMs(waiter);
    // Before the caller leaves: it is one of those that its error counts as waiting.
    const error = this.#owner.explain(failure, false, waiter.attemptsBefore, waitMs);
    this.#queue.cancel(waiter);
    this.#onGone();
    this.#reject(waiter, error, waitMs);
    this.#owner.pump();
  }

  /**
   * The owner hears of it once, when all are gone: in between, it would only open connections for those who
   * are next.
   */
  failAll(failure: BrokerPoolError, shared = true): void {
    for (let waiter = this.#queue.dequeue(); waiter !== undefined; waiter = this.#queue.dequeue()) {
      const waitMs = this.#waitMs(waiter);
      this.#reject(waiter, this.#owner.explain(failure, shared, waiter.attemptsBefore, waitMs), waitMs);
    }
    this.#onGone();
    this.#owner.pump();
  }

  /** Fails all, and whoever comes from now on. */
  end(error: BrokerPoolError): void {
    this.#endedBy = error;
    this.failAll(error, false);
  }

  /** Takes the timer away. */
  stop(): void {
    this.#sweepTimer?.cancel();
    this.#sweepTimer = undefined;
    this.#sweepAtMs = Infinity;
  }

  /**
   * Whoever waits keeps the process alive: nothing else may do so. The timer stays for those who come next,
   * and is nobody's meanwhile.
   */
  #onGone(): void {
    if (this.#queue.waiting === 0) this.#sweepTimer?.keepAlive(false);
  }

  /**
   * Not part of `enter`: what a function shares with a callback is allocated, whether or not the callback is.
   */
  #listen(waiter: Waiter, signal: AbortSignal): void {
    try {
      waiter.stopListening = onAbort(signal, () => this.fail(waiter, abortedError(signal)));
    } catch (error) {
      return this.fail(waiter, brokenSignalError(error));
    }
    // A signal that is not a real one may have run any code.
    if (!this.#queue.isQueued(waiter)) waiter.stopListening();
  }

  #waitMs(waiter: Waiter): number {
    return Math.max(0, this.#clock.now() - waiter.started.ms);
  }

  #reject(waiter: Waiter, error: BrokerPoolError, waitMs: number): void {
    waiter.stopListening?.();
    this.#watch.fail(waiter.origin, error, waitMs);
    waiter.fail(error);
  }

  #sweepAt(dueMs: number): void {
    this.#sweepTimer?.cancel();
    this.#sweepAtMs = dueMs;
    this.#sweepTimer = this.#clock.deadline(
      dueMs - this.#clock.now(),
      (dueByMs) => this.#sweep(dueByMs),
      this.#queue.waiting > 0,
    );
  }

  #sweep(dueByMs: number): void {
    this.#sweepTimer = undefined;
    this.#sweepAtMs = Infinity;
    // Whoever came in this very turn, late perhaps in a long one, must not be sent away for it.
    this.#cachedClock.end();
    const nowMs = this.#clock.now();
    let nextMs = Infinity;
    let latestMs = 0;
    const expired: Waiter[] = [];
    for (let waiter = this.#queue.firstWaiter; waiter !== undefined; waiter = waiter.next) {
      const deadlineMs = waiter.started.ms + waiter.timeoutMs;
      if (deadlineMs <= dueByMs) expired.push(waiter);
      else nextMs = Math.min(nextMs, deadlineMs);
      latestMs = Math.max(latestMs, deadlineMs);
    }
    this.#latestDeadlineMs = latestMs;
    for (const waiter of expired) this.#expire(waiter);
    const pauseMs = Math.min(
      LONGEST_SWEEP_MS,
      SHORTEST_SWEEP_MS + this.#queue.waiting / WAITERS_PER_SWEEP_MS,
    );
    // One that is over meanwhile keeps its time, and so what a late deadline waits for.
    if (nextMs !== Infinity) this.#sweepAt(nextMs <= nowMs ? nextMs : Math.max(nextMs, nowMs + pauseMs));
  }

  #expire(waiter: Waiter): void {
    // The end of one may have been the end of others.
    if (!this.#queue.isQueued(waiter)) return;
    this.#timeouts += 1;
    this.fail(waiter, this.#owner.timeoutError(waiter.timeoutMs));
  }
}
