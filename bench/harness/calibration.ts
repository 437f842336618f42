import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { median } from './statistics.js';

const AWAITS = 20_000;
const ROUND_TRIPS = 40;
/** The two take turns, and each takes a millisecond or two. */
const PIECES = 15;
/** Code is compiled meanwhile. */
const WARM_UP_PIECES = 5;

/** Times of fixed work that belongs to no package: a change is the machine's. */
export interface Calibration {
  /** Microseconds for a loop of awaited promises. */
  readonly promisesUs: number;
  /** Microseconds for a message to another thread and back. */
  readonly roundTripUs: number;
}

/** Takes a tenth of a second. */
export async function calibrate(): Promise<Calibration> {
  const worker = new Worker(new URL('./echo-thread.js', import.meta.url));
  try {
    await once(worker, 'online');
    const promises: number[] = [];
    const roundTrips: number[] = [];
    for (let piece = 0; piece < WARM_UP_PIECES + PIECES; piece++) {
      const promisesUs = await elapsedUs(awaitPromises);
      const roundTripUs = (await elapsedUs(() => pingPong(worker))) / ROUND_TRIPS;
      if (piece < WARM_UP_PIECES) continue;
      promises.push(promisesUs);
      roundTrips.push(roundTripUs);
    }
    return { promisesUs: median(promises), roundTripUs: median(roundTrips) };
  } finally {
    await worker.terminate();
  }
}

async function awaitPromises(): Promise<void> {
  for (let count = 0; count < AWAITS; count++) await Promise.resolve(count);
}

async function pingPong(worker: Worker): Promise<void> {
  for (let trip = 0; trip < ROUND_TRIPS; trip++) {
    const answer = once(worker, 'message');
    worker.postMessage(trip);
    await answer;
  }
}

async function elapsedUs(work: () => Promise<void>): Promise<number> {
  const beganMs = performance.now();
  await work();
  return (performance.now() - beganMs) * 1_000;
}
