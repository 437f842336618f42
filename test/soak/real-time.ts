/**
 * Timers and clocks as they were when the soak began: it goes on measuring while those of the process are
 * faked.
 */
export const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis;

/** Milliseconds of the monotonic clock. */
export const nowMs: () => number = performance.now.bind(performance);
