import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { BrokerPool } from '../../src/index.js';
import { until } from '../helpers/leftovers.js';
import test from '../helpers/sanitary.js';
import { seedFromEnvironment } from '../helpers/seed.js';
import { SeededRandom } from '../helpers/seeded-random.js';
import { startSystem } from '../helpers/system.js';
import { ask } from '../helpers/talk.js';
import { SHARING, testWhere } from '../helpers/test-where.js';
import { canShare, openPool } from './kit.js';
import type { ClaimTask } from './claim-worker.js';

const MAX = 4;
const THREADS = 3;
const ENDED_THREADS = 6;
const LEASES_EACH = 400;
/** More than are opened: each soiled, destroyed or leaked one has another number. */
const CONNECTIONS = 100_000;

testWhere(
  canShare,
  SHARING,
  test.serial,
)('threads that claim, and are ended at random, never share a connection with another caller', async (t) => {
  const seed = seedFromEnvironment();
  t.log(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const system = await startSystem(t);
  const pool = openPool(t, system, { max: MAX, acquireTimeoutMs: 60_000 });
  const holders = new Int32Array(new SharedArrayBuffer(CONNECTIONS * Int32Array.BYTES_PER_ELEMENT));
  const counters = new Int32Array(new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT));
  const errors: unknown[] = [];
  let thread = 0;
  const start = async (): Promise<Worker> => {
    thread += 1;
    const port = pool.share();
    const workerData: ClaimTask = { port, holders, counters, callers: 2, seed: seed + thread, thread };
    const url = new URL('./claim-worker.js', import.meta.url);
    const worker = new Worker(url, { workerData, transferList: [port] });
    worker.on('error', (error) => errors.push(error));
    await once(worker, 'message');
    return worker;
  };
  let isOver = false;
  const own = useOwn(pool, holders, counters, () => isOver);
  const threads = await Promise.all(Array.from({ length: THREADS }, start));
  for (let ended = 0; ended < ENDED_THREADS; ended++) {
    const leases = Atomics.load(counters, 2) + LEASES_EACH + random.below(LEASES_EACH);
    t.true(await until(() => Atomics.load(counters, 2) >= leases || errors.length > 0));
    const [doomed] = threads.splice(random.below(THREADS), 1);
    await doomed?.terminate();
    threads.push(await start());
    t.true(pool.stats().total <= MAX);
  }
  isOver = true;
  await own;
  await Promise.all(threads.map((worker) => worker.terminate()));
  t.deepEqual(errors, []);
  t.is(Atomics.load(counters, 0), 0, 'connections that had another holder');
  t.is(Atomics.load(counters, 1), 0, 'replies for another caller');
  t.true(await until(() => pool.stats().leased === 0 && pool.stats().waiting === 0));
  const { total, created, closedByReason } = pool.stats();
  t.is(
    created - total,
    Object.values(closedByReason).reduce((sum, count) => sum + count, 0),
  );
  await system.backend.until(() => system.backend.connections === total);
  await pool.close();
  await system.backend.until(() => system.backend.connections === 0);
});

/** A caller of the pool's own thread. */
async function useOwn(
  pool: BrokerPool,
  holders: Int32Array,
  counters: Int32Array,
  isOver: () => boolean,
): Promise<void> {
  for (let time = 0; !isOver(); time++) {
    const lease = await pool.acquire();
    if (Atomics.compareExchange(holders, lease.connectionId, 0, -1) !== 0) Atomics.add(counters, 0, 1);
    if ((await ask(lease.socket, `own ${time}`)) !== `own ${time}`) Atomics.add(counters, 1, 1);
    Atomics.store(holders, lease.connectionId, 0);
    lease.release();
    for (let pause = time % 7; pause > 0; pause--) await turn();
  }
}
