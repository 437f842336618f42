/** A thread of the stress test: callers that acquire, count themselves and release, over and over. */
import { setImmediate as turn } from 'node:timers/promises';
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { connectSharedPool } from '../../src/sharing/client/connect-shared-pool.js';
import { echo } from '../helpers/talk.js';

/** The thread's task. */
export interface StressTask {
  readonly port: MessagePort;
  /** Seen by all threads: [0] leases held now, [1] most of them at once, [2] leases that were had. */
  readonly counters: Int32Array;
  readonly leases: number;
  /** No lease ends before so many have been held at once: threads may start one after another. */
  readonly atOnce: number;
  readonly callers: number;
  /** Every so many leases a word goes to the backend and back. */
  readonly echoEvery: number;
  readonly name: string;
}

const task: StressTask = workerData;
const { atOnce, counters, callers, echoEvery, leases, name } = task;
const shared = await connectSharedPool(task.port);
let left = leases;

async function hold(): Promise<void> {
  while (left > 0) {
    left -= 1;
    const lease = await shared.acquire();
    const now = Atomics.add(counters, 0, 1) + 1;
    for (let most = Atomics.load(counters, 1); now > most; most = Atomics.load(counters, 1))
      Atomics.compareExchange(counters, 1, most, now);
    const lastOne = Atomics.add(counters, 2, 1);
    if (lastOne % echoEvery === 0) {
      const word = `${name} ${lastOne}`;
      const reply = await echo(lease.socket, word);
      if (reply !== word) throw new Error(`got ${reply} for ${word}`);
    }
    // Held for a turn, so that leases of several callers and threads are out at once.
    do await turn();
    while (Atomics.load(counters, 1) < atOnce);
    Atomics.sub(counters, 0, 1);
    lease.release();
  }
}

await Promise.all(Array.from({ length: callers }, hold));
await shared.close();
parentPort?.postMessage('done');
