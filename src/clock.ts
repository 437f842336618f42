import { performance } from 'node:perf_hooks';
import { hrtime, nextTick } from 'node:process';
import * as timers from 'node:timers';
import { outOfContext } from './async-context.js';

/**
 * Timers and clocks as they are while this module loads, from Node's modules: tests replace the global ones for
 * a while, and a pool that used a fake one would lose a timer, or the order of time. Every other file takes
 * time and timers from here.
 */
const { setTimeout, clearTimeout, setImmediate, clearImmediate } = timers;
const { queueMicrotask } = globalThis;
/** The prototype's: a test may have put another one on the object itself. Bun has its own there. */
const prototype: { now(): number } = Object.getPrototypeOf(performance);
const realPerformance = 'now' in prototype ? prototype : performance;
const performanceNow = realPerformance.now.bind(performance);

/** The zero of this thread's `performance.now()` on the system's monotonic clock; both count the same ticks. */
const [seconds, nanoseconds] = hrtime();
const THREAD_START_MS = seconds * 1_000 + nanoseconds / 1_000_000 - performanceNow();

/**
 * Milliseconds on the monotonic clock that every thread of the process shares: deadlines cross threads.
 * `performance.now()` is three times as fast as `process.hrtime()`, and asked twice for every lease.
 */
export function monotonicNowMs(): number {
  return THREAD_START_MS + performanceNow();
}

/** Milliseconds since 1970, the same for every process. */
export const wallNowMs: () => number = Date.now;
/** When this thread started, in milliseconds since 1970. */
export const startedAtUnixMs = performance.timeOrigin;

/** Runs `callback` when the code that runs now has returned. */
export function afterThisCode(callback: () => void): void {
  queueMicrotask(callback);
}

/** Runs `callback` when the code that runs now has returned, and all reactions of promises that follow from it. */
export function afterPromises(callback: () => void): void {
  nextTick(callback);
}

/** Reports an error of the user's code as uncaught, without unwinding the code of the pool that called it. */
export function throwLater(error: unknown): void {
  nextTick(() => {
    throw error;
  });
}

/** Time and randomness, which tests replace. Timers run in no caller's asynchronous context. */
export interface Clock {
  /** Milliseconds on a clock that never goes backwards; its zero point has no meaning. */
  now(): number;
  /**
   * Runs `callback` once after `delayMs` and returns a cancel function: for pauses, whose end gives nothing
   * up. Only with `keepAlive` does the timer keep the process alive: for a caller that waits while no other
   * handle is open.
   */
  schedule(delayMs: number, callback: () => void, keepAlive?: boolean): () => void;
  /**
   * As `schedule`, for a deadline: `callback` gives something up. After a stall of the event loop, or of the
   * whole process, the deadline is over before the loop has read what arrived in time. So `callback` runs
   * only when the loop has read everything that the kernel holds, and a deadline that is late waits {@link
   * LATE_GRACE_MS} more. It gets the time by which an item must have been due to have had that chance.
   */
  deadline(delayMs: number, callback: (dueByMs: number) => void, keepAlive?: boolean): Deadline;
  /**
   * Runs `callback` once when the current turn of the event loop has done its I/O, and returns a cancel
   * function. It runs in the context of this call, which it keeps for no longer than the turn.
   */
  afterTurn(callback: () => void): () => void;
  /** A number in [0, 1). */
  random(): number;
}

/** A deadline that is set. */
export interface Deadline {
  cancel(): void;
  /** Whether it keeps the process alive. */
  keepAlive(isWanted: boolean): void;
}

/** The longest delay of a timer, about 24.8 days; `setTimeout` turns longer ones into 1 ms. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** A timer that runs so much after its time shows that the event loop or the process stood still. */
const LATE_MS = 5;
/** The time for other threads of the process, which may have stood still too, to hand over their results. */
const LATE_GRACE_MS = 20;

/** Starts a timer in no caller's asynchronous context. */
function startTimer(delayMs: number, callback: () => void, keepAlive: boolean): NodeJS.Timeout {
  const wholeMs = Math.min(Math.max(0, Math.ceil(delayMs)), LONGEST_TIMER_MS);
  const timer = outOfContext(() => setTimeout(callback, wholeMs));
  return keepAlive ? timer : timer.unref();
}

/** A deadline of {@link systemClock}: a timer, after a stall another one, and last the end of the next poll. */
class SystemDeadline implements Deadline {
  readonly #dueMs: number;
  readonly #callback: (dueByMs: number) => void;
  #timer: NodeJS.Timeout;
  #poll: NodeJS.Immediate | undefined;
  #keepAlive: boolean;

  constructor(delayMs: number, callback: (dueByMs: number) => void, keepAlive: boolean) {
    // A negative delay stays negative: a deadline that is over when it is set counts as late.
    this.#dueMs = monotonicNowMs() + delayMs;
    this.#callback = callback;
    this.#keepAlive = keepAlive;
    this.#timer = startTimer(delayMs, () => this.#onTime(), keepAlive);
  }

  cancel(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#poll);
  }

  keepAlive(isWanted: boolean): void {
    this.#keepAlive = isWanted;
    if (isWanted) this.#timer.ref();
    else this.#timer.unref();
  }

  #onTime(): void {
    const nowMs = monotonicNowMs();
    if (nowMs - this.#dueMs < LATE_MS) this.#awaitPoll(nowMs);
    else this.#timer = startTimer(LATE_GRACE_MS, () => this.#awaitPoll(nowMs), this.#keepAlive);
  }

  /** Timers run before the poll of the same round of the loop, immediates behind it. */
  #awaitPoll(dueByMs: number): void {
    this.#poll = setImmediate(this.#callback, dueByMs);
  }
}

/** The real clock. */
export const systemClock: Clock = {
  now: monotonicNowMs,
  schedule(delayMs, callback, keepAlive = false) {
    const timer = startTimer(delayMs, callback, keepAlive);
    return () => clearTimeout(timer);
  },
  deadline: (delayMs, callback, keepAlive = false) => new SystemDeadline(delayMs, callback, keepAlive),
  afterTurn(callback) {
    const immediate = setImmediate(callback);
    return () => clearImmediate(immediate);
  },
  random: Math.random,
};

/**
 * One timer for many deadlines, set to the earliest. When it fires, its owner looks for what is due, and it is
 * set again.
 */
export class SharedTimer {
  /** When it fires; a field, since each caller that begins to wait reads it. */
  dueMs = Infinity;
  readonly #clock: Clock;
  readonly #onDue: (dueByMs: number) => void;
  readonly #nextMs: () => number;
  #deadline: Deadline | undefined;
  #isKeptAlive = false;

  /** @param nextMs the earliest deadline that is left; `Infinity` without any */
  constructor(clock: Clock, onDue: (dueByMs: number) => void, nextMs: () => number) {
    this.#clock = clock;
    this.#onDue = onDue;
    this.#nextMs = nextMs;
  }

  /** Moves the timer forward. A later time changes nothing: it then fires in vain once. */
  set(dueMs: number): void {
    if (dueMs >= this.dueMs) return;
    this.#deadline?.cancel();
    this.dueMs = dueMs;
    this.#deadline = this.#clock.deadline(
      dueMs - this.#clock.now(),
      (dueByMs) => this.#onTime(dueByMs),
      this.#isKeptAlive,
    );
  }

  /** Whether it keeps the process alive from now on; before the first call it does not. */
  keepAlive(isWanted: boolean): void {
    this.#isKeptAlive = isWanted;
    this.#deadline?.keepAlive(isWanted);
  }

  /** Stops until it is set again. */
  cancel(): void {
    this.#deadline?.cancel();
    this.#deadline = undefined;
    this.dueMs = Infinity;
  }

  /** Cancels the timer unless it keeps the process alive: then a caller waits, whose deadline may be the next one. */
  cancelUnlessKeptAlive(): void {
    if (!this.#isKeptAlive) this.cancel();
  }

  #onTime(dueByMs: number): void {
    this.#deadline = undefined;
    // Until `onDue` has returned, nothing that it changes sets the timer.
    this.dueMs = -Infinity;
    try {
      this.#onDue(dueByMs);
    } finally {
      if (this.dueMs === -Infinity) {
        this.dueMs = Infinity;
        this.set(this.#nextMs());
      }
    }
  }
}

/** When something happened: the time of its turn, one object for all of the turn. */
export type CachedTime = { ms: number };

/**
 * The time of the current turn of the event loop, read once: asking the system costs as much as a whole lease.
 * When the turn is over, all that happened in it is dated to its end, so that no wait that began late in a
 * long turn is taken for longer than it is.
 */
export class CachedClock {
  readonly #clock: Clock;
  readonly #onEnd: (nowMs: number) => void;
  #time: CachedTime | undefined;
  #cancelEnd: (() => void) | undefined;

  /** @param onEnd is told the time when a turn ends that was busy */
  constructor(clock: Clock, onEnd: (nowMs: number) => void) {
    this.#clock = clock;
    this.#onEnd = onEnd;
  }

  /** The time of this turn, on the clock's scale. */
  time(): CachedTime {
    if (this.#time !== undefined) return this.#time;
    this.#time = { ms: this.#clock.now() };
    this.markBusy();
    return this.#time;
  }

  /** Has `onEnd` called when this turn ends. */
  markBusy(): void {
    this.#cancelEnd ??= this.#clock.afterTurn(() => this.end());
  }

  /** Ends the turn now: a timer runs in a phase of its own, and must not judge by an old time. */
  end(): void {
    const time = this.#time;
    this.stop();
    const nowMs = this.#clock.now();
    if (time !== undefined) time.ms = nowMs;
    this.#onEnd(nowMs);
  }

  stop(): void {
    this.#cancelEnd?.();
    this.#cancelEnd = undefined;
    this.#time = undefined;
  }
}

/** Waits for a promise, for so long at most. */
export async function within(limitMs: number, promise: Promise<unknown>): Promise<void> {
  let cancel = (): void => {};
  const limit = new Promise<void>((resolve) => {
    if (limitMs !== Infinity) cancel = systemClock.schedule(limitMs, resolve, true);
  });
  try {
    await Promise.race([promise, limit]);
  } finally {
    cancel();
  }
}
