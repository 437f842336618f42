import { setImmediate as turn } from 'node:timers/promises';
import { median } from './statistics.js';

const WARM_UP_MS = 200;
/** Finds how many times fill a batch. */
const WARM_AGAIN_MS = 60;
const BATCH_MS = 50;
const BATCHES = 5;

/** One caller of a batch: repeats the operation. */
export type Work = (times: number) => Promise<void>;

/** Fewer would time how the callers begin and end, and not how they go on. */
const FEWEST_TIMES = 5;

/**
 * Nanoseconds for one operation of `callers` that work side by side: the median of batches that are long
 * enough for the clock and for the collector to come along. What an operation leaves to a later turn of the
 * event loop is paid in its batch.
 *
 * @param isWarm whether this process has timed the same work before: the batches then begin at once
 */
export async function timeBatches(callers: number, work: Work, isWarm = false): Promise<number> {
  const times = await warmUp(callers, work, isWarm ? WARM_AGAIN_MS : WARM_UP_MS);
  const batches: number[] = [];
  for (let batch = 0; batch < BATCHES; batch++)
    batches.push((await timeOnce(callers, work, times)) / (callers * times));
  return median(batches);
}

/** Runs until the compiler has settled; returns how many times each caller has to work to fill a batch. */
async function warmUp(callers: number, work: Work, leastMs: number): Promise<number> {
  let times = FEWEST_TIMES;
  const startedMs = performance.now();
  for (;;) {
    const milliseconds = (await timeOnce(callers, work, times)) / 1e6;
    if (milliseconds < BATCH_MS / 2) times *= 2;
    else times = Math.max(FEWEST_TIMES, Math.round((times * BATCH_MS) / milliseconds));
    if (performance.now() - startedMs > leastMs) return times;
  }
}

/** In nanoseconds, for all callers together. */
async function timeOnce(callers: number, work: Work, times: number): Promise<number> {
  const beginNs = process.hrtime.bigint();
  await Promise.all(Array.from({ length: callers }, () => work(times)));
  await turn();
  return Number(process.hrtime.bigint() - beginNs);
}
