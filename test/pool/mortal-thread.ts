/** A thread with pools of its own, which ends as it is told; see `thread-ends.test.ts`. */
import { setImmediate as turn } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
// The index loads more modules, and loading is most of what such a thread costs.
import { BrokerPool } from '../../src/broker-pool.js';
import type { BrokerPoolOptions } from '../../src/index.js';

/** The work that the pools are in the middle of. */
export type ThreadState =
  | 'with idle connections'
  | 'with leases'
  | 'waiting for replies'
  | 'waiting for handoffs'
  | 'negotiating all the time';

/** How the thread ends by itself. */
export type ThreadEnd = 'exits' | 'fails' | 'runs out';

export interface MortalThreadTask {
  readonly target: BrokerPoolOptions;
  readonly state: ThreadState;
  readonly poolCount: number;
}

const { target, state, poolCount }: MortalThreadTask = workerData;

/** Opens one connection after the other, several at a time. */
async function negotiate(pool: BrokerPool): Promise<void> {
  for (;;) (await pool.acquire()).destroy();
}

async function busy(pool: BrokerPool): Promise<void> {
  if (state === 'negotiating all the time') {
    await Promise.race(Array.from({ length: 4 }, () => negotiate(pool)));
  }
  // Would start a wait thread.
  if (state === 'with leases') await pool.warm();
  const leases = await Promise.all([pool.acquire(), pool.acquire()]);
  if (state === 'with idle connections') for (const lease of leases) lease.release();
}

function end(how: ThreadEnd): void {
  if (how === 'exits') process.exit();
  if (how === 'fails') throw new Error('as a thread may fail');
}

const pools = Array.from(
  { length: poolCount },
  () => new BrokerPool({ ...target, adoptHandedOffConnection: true, endpointCache: false, maxConnecting: 4 }),
);
parentPort?.once('message', end);
const acquired = Promise.all(pools.map(busy));
await (state.startsWith('waiting') || state.startsWith('negotiating') ? turn() : acquired);
parentPort?.postMessage('ready');
