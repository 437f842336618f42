import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { BrokerPool } from '../../src/index.js';
import { until } from '../helpers/leftovers.js';
import test from '../helpers/sanitary.js';
import { startSystem } from '../helpers/system.js';
import { SHARING, testWhere } from '../helpers/test-where.js';
import { canShare, openPool } from './kit.js';
import type { StressTask } from './stress-worker.js';

const sharingTest = testWhere(canShare, SHARING, test.serial);

const MAX = 20;
const THREADS = 4;
const CALLERS = 10;

/** Starts a thread that takes `leases` leases; none ends before `atOnce` have been held at once. */
function startThread(
  pool: BrokerPool,
  counters: Int32Array,
  leases: number,
  name: string,
  atOnce = 0,
): Worker {
  const port = pool.share();
  const workerData: StressTask = { port, counters, leases, atOnce, callers: CALLERS, echoEvery: 50, name };
  return new Worker(new URL('./stress-worker.js', import.meta.url), { workerData, transferList: [port] });
}

/** Settles when the thread has done its work, rejects when it fails. */
async function done(thread: Worker): Promise<void> {
  const exited = new Promise((resolve) => thread.once('exit', resolve));
  await once(thread, 'message');
  await exited;
}

sharingTest(
  'four threads hold 6,000 leases, never more than 20 at once (#13 of what users ask for)',
  async (t) => {
    // 150 for each caller: every connection changes hands 300 times.
    const leases = 6_000;
    const system = await startSystem(t);
    const pool = openPool(t, system, { max: MAX });
    let held = 0;
    let most = 0;
    let acquired = 0;
    pool.on('acquired', () => {
      acquired += 1;
      held += 1;
      most = Math.max(most, held);
    });
    pool.on('released', () => (held -= 1));
    const counters = new Int32Array(new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT));
    const names = Array.from({ length: THREADS }, (_, index) => `thread ${index}`);
    await Promise.all(names.map((name) => done(startThread(pool, counters, leases / THREADS, name, MAX))));
    t.true(await until(() => pool.stats().leased === 0));
    t.is(Atomics.load(counters, 2), leases);
    t.is(Atomics.load(counters, 1), MAX, 'so many leases were held at once');
    t.is(most, MAX);
    t.is(acquired, leases);
    t.like(pool.stats(), { leased: 0, waiting: 0, created: MAX, total: MAX });
    t.is(system.backend.acceptedCount, MAX);
  },
);

sharingTest(
  'the pool gets back the leases of a terminated thread, and three other threads go on',
  async (t) => {
    const pool = openPool(t, await startSystem(t), { max: MAX });
    const counters = new Int32Array(new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT));
    const doomed = startThread(pool, counters, Infinity, 'doomed');
    const others = [1, 2, 3].map((index) => done(startThread(pool, counters, 2_500, `thread ${index}`)));
    t.true(await until(() => Atomics.load(counters, 2) > 2_500));
    await doomed.terminate();
    await Promise.all(others);
    t.true(await until(() => pool.stats().leased === 0));
    t.like(pool.stats(), { leased: 0, waiting: 0 });
    const reasons = pool.stats().targets[0]?.closedByReason;
    t.is(
      pool.stats().total,
      pool.stats().created - (reasons?.leaked ?? 0),
      'nothing was lost for any other reason',
    );
  },
);
