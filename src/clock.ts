/** What `performance.now()` of this thread lacks to the system's monotonic clock; both count the same ticks. */
const [seconds, nanoseconds] = process.hrtime();
const THREAD_START_MS = seconds * 1_000 + nanoseconds / 1_000_000 - performance.now();

/**
 * Milliseconds on the monotonic clock that every thread of the process shares.
 *
 * `performance.now()` counts from the start of its own thread: a deadline computed on the main thread would mean something
 * else in a worker. It is three times as fast as `process.hrtime()`, though, and asked twice for every lease.
 */
export function monotonicNowMs(): number {
  return THREAD_START_MS + performance.now();
}

/** Time and randomness as values, so that tests can pass in their own. */
export interface Clock {
  /** Milliseconds on a clock that never goes backwards; its zero point has no meaning. */
  now(): number;
  /**
   * Runs `callback` once after `delayMs` and returns a cancel function. Only with `keepAlive` does the timer keep the process
   * from ending: for a try that somebody waits for while nothing else is open.
   */
  schedule(delayMs: number, callback: () => void, keepAlive?: boolean): () => void;
  /** As `schedule`, for a timer that somebody waits for only at times; at first nobody does. */
  timer(delayMs: number, callback: () => void): Timer;
  /** Runs `callback` once when the current turn of the event loop has done its I/O, and returns a cancel function. */
  afterTurn(callback: () => void): () => void;
  /** A number in [0, 1). */
  random(): number;
}

/** A timer that is set. */
export interface Timer {
  cancel(): void;
  /** Whether it keeps the process from ending. */
  keepAlive(isWanted: boolean): void;
}

/** The longest delay of a timer, about 24.8 days; `setTimeout` turns longer ones into 1 ms. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

function timerDelayMs(delayMs: number): number {
  return Math.min(Math.max(0, Math.ceil(delayMs)), LONGEST_TIMER_MS);
}

/** The real clock. */
export const systemClock: Clock = {
  now: monotonicNowMs,
  schedule(delayMs, callback, keepAlive = false) {
    const timer = setTimeout(callback, timerDelayMs(delayMs));
    if (!keepAlive) timer.unref();
    return () => clearTimeout(timer);
  },
  timer(delayMs, callback) {
    const timer = setTimeout(callback, timerDelayMs(delayMs)).unref();
    return {
      cancel: () => clearTimeout(timer),
      keepAlive: (isWanted) => void (isWanted ? timer.ref() : timer.unref()),
    };
  },
  afterTurn(callback) {
    const immediate = setImmediate(callback);
    return () => clearImmediate(immediate);
  },
  random: Math.random,
};

/** Keeps the process alive until the promise that a caller awaits has settled. */
export async function keepingAlive<T>(promise: Promise<T>): Promise<T> {
  const letGo = systemClock.schedule(LONGEST_TIMER_MS, () => {}, true);
  try {
    return await promise;
  } finally {
    letGo();
  }
}
