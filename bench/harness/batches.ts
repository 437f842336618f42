import { setImmediate as turn } from 'node:timers/promises';
import { median } from './statistics.js';

const WARM_UP_MS = 250;
const BATCH_MS = 50;
const BATCHES = 7;

/**
 * Nanoseconds for one operation: the median of batches that are long enough for the clock and for the collector to come along.
 * What an operation leaves to a later turn of the event loop is paid in its batch.
 */
export async function timeBatches(run: (operations: number) => Promise<void>): Promise<number> {
  const operations = await warmUp(run);
  const batches: number[] = [];
  for (let batch = 0; batch < BATCHES; batch++) batches.push((await timeOnce(run, operations)) / operations);
  return median(batches);
}

/** Runs until the compiler has settled; returns how many operations fill a batch. */
async function warmUp(run: (operations: number) => Promise<void>): Promise<number> {
  let operations = 1_000;
  const startedMs = performance.now();
  for (;;) {
    const milliseconds = (await timeOnce(run, operations)) / 1e6;
    if (milliseconds < BATCH_MS / 2) operations *= 2;
    else operations = Math.max(1_000, Math.round((operations * BATCH_MS) / milliseconds));
    if (performance.now() - startedMs > WARM_UP_MS) return operations;
  }
}

/** In nanoseconds. */
async function timeOnce(run: (operations: number) => Promise<void>, operations: number): Promise<number> {
  const beginNs = process.hrtime.bigint();
  await run(operations);
  await turn();
  return Number(process.hrtime.bigint() - beginNs);
}
