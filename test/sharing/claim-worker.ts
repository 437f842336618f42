/** A thread of the test of claims: callers that lease, talk and give back, until the thread is ended. */
import { setImmediate as turn } from 'node:timers/promises';
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import type { Lease } from '../../src/index.js';
import { connectSharedPool } from '../../src/sharing/client/connect-shared-pool.js';
import { SeededRandom } from '../helpers/seeded-random.js';
import { ask } from '../helpers/talk.js';

/** The thread's task. */
export interface ClaimTask {
  readonly port: MessagePort;
  /** One for each connection, by its number: the thread that has it on lease, or 0. */
  readonly holders: Int32Array;
  /** Seen by all threads: [0] connections with another holder, [1] wrong replies, [2] leases that were had. */
  readonly counters: Int32Array;
  readonly callers: number;
  readonly seed: number;
  /** From 1. */
  readonly thread: number;
}

const { port, holders, counters, callers, seed, thread }: ClaimTask = workerData;
const random = new SeededRandom(seed);
const shared = await connectSharedPool(port);

// A thread that is ended while it loads leaves descriptors of Node's loader behind, with Node 20.
parentPort?.postMessage('ready');

async function use(lease: Lease): Promise<void> {
  const { connectionId } = lease;
  if (Atomics.compareExchange(holders, connectionId, 0, thread) !== 0) Atomics.add(counters, 0, 1);
  const had = Atomics.add(counters, 2, 1);
  const way = random.weighted({ nothing: 8, turn: 4, talk: 6, destroy: 1 });
  if (way === 'turn') await turn();
  if (way === 'talk') {
    const word = `${thread} ${had}`;
    if ((await ask(lease.socket, word)) !== word) Atomics.add(counters, 1, 1);
  }
  Atomics.store(holders, connectionId, 0);
  if (way === 'destroy') lease.destroy();
  else lease.release();
}

async function call(): Promise<never> {
  for (;;) {
    await use(await shared.acquire());
    if (random.chance(0.2)) await turn();
  }
}

await Promise.all(Array.from({ length: callers }, call));
