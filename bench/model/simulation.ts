import type { Queue } from './queueing.js';

/** Delays that make a service longer than the queue's own. */
export interface LateHello {
  /** Time from the connect to the arrival of the Hello. */
  readonly afterSeconds: number;
  /** The broker's sleep after a look that finds no Hello (V-21). */
  readonly sleepSeconds: number;
}

/** The simulated burst. */
export interface SimulationOptions {
  readonly queue: Queue;
  readonly arrivalsPerSecond: number;
  readonly arrivals: number;
  readonly seed: number;
  readonly lateHello?: LateHello;
}

/** Times from the connect to the reply, in seconds. */
export interface SimulatedTimes {
  readonly meanWait: number;
  readonly p50: number;
  readonly p99: number;
}

/** Random numbers in [0, 1) that are the same in each run (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Serves random arrivals one by one in their order, each by the server that is free first. Everything that
 * happens is an arrival or the end of a service, and the latter is known when the service begins, so that no
 * list of events is needed.
 */
export function simulate({
  queue,
  arrivalsPerSecond,
  arrivals,
  seed,
  lateHello,
}: SimulationOptions): SimulatedTimes {
  const random = randomNumbers(seed);
  const freeAt: number[] = Array.from({ length: queue.servers }, () => 0);
  const times = new Float64Array(arrivals);
  let now = 0;
  let waited = 0;
  for (let index = 0; index < arrivals; index++) {
    now += -Math.log(1 - random()) / arrivalsPerSecond;
    const server = indexOfSmallest(freeAt);
    const wait = Math.max(0, (freeAt[server] ?? 0) - now);
    const sleep = lateHello !== undefined && wait < lateHello.afterSeconds ? lateHello.sleepSeconds : 0;
    const time = wait + sleep + queue.serviceSeconds;
    freeAt[server] = now + time;
    waited += wait;
    times[index] = time;
  }
  times.sort();
  const at = (share: number): number => times[Math.min(arrivals - 1, Math.floor(share * arrivals))] ?? 0;
  return { meanWait: waited / arrivals, p50: at(0.5), p99: at(0.99) };
}

function indexOfSmallest(values: readonly number[]): number {
  let smallest = 0;
  for (let index = 1; index < values.length; index++)
    if ((values[index] ?? 0) < (values[smallest] ?? 0)) smallest = index;
  return smallest;
}
