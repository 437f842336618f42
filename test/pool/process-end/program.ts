/**
 * A program that does one thing and is over: `node program.js <what> <target as JSON>`. It prints what came
 * of it, and at its exit how many milliseconds after its last line and after its first one that was.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import {
  BrokerPool,
  BrokerPoolError,
  connectSharedPool,
  connectToBackend,
  sendAdminRequest,
} from '../../../src/index.js';
import type { TestTarget } from '../../../src/testing/index.js';

/** What is done with a pool, or with a broker. Each gets the target, and says what came of it. */
const PROGRAMS: Readonly<Record<string, (target: TestTarget) => Promise<unknown>>> = {
  'a pool that keeps min connections': async (target) => void new BrokerPool({ ...target, min: 1 }),
  'a pool that keeps min connections by handoffs': async (target) =>
    void new BrokerPool({ ...target, min: 1, adoptHandedOffConnection: true }),
  'a pool whose Hellos time out sooner than their pauses': async (target) =>
    void new BrokerPool({ ...target, min: 1, roundTripTimeoutMs: 100 }),
  'sixty pools that keep min connections': async (target) => {
    for (let count = 0; count < 60; count++) {
      void new BrokerPool({ ...target, min: 1 });
      await delay(50);
    }
  },
  'a caller whose time is up': (target) => new BrokerPool(target).acquire({ timeoutMs: 50 }),
  'a caller who gives up': (target) => new BrokerPool(target).acquire({ signal: AbortSignal.timeout(50) }),
  'a caller who gives up a handoff': (target) =>
    new BrokerPool({ ...target, adoptHandedOffConnection: true, handoffReadyTimeoutMs: 20_000 }).acquire({
      signal: AbortSignal.timeout(300),
    }),
  'callers who give up on more targets than the event loop waits for': async (target) => {
    const pool = new BrokerPool(target);
    const timeoutMs = 200;
    return await Promise.allSettled(
      ['one', 'two', 'three', 'four'].map((serviceName) => pool.acquire({ serviceName, timeoutMs })),
    );
  },
  'a caller of warm who gives up': (target) =>
    new BrokerPool({ ...target, min: 1 }).warm({ signal: AbortSignal.timeout(50) }),
  'a pool in a worker thread': async (target) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { target } });
    await once(worker, 'exit');
  },
  'a caller in a thread that shares the pool': async (target) => {
    const port = new BrokerPool(target).share();
    const worker = new Worker(new URL(import.meta.url), { workerData: { port }, transferList: [port] });
    await once(worker, 'exit');
  },
  'a caller who gives up while validate is asked': async (target) => {
    const pool = new BrokerPool({
      ...target,
      max: 1,
      validate: () => new Promise(() => {}),
      validateAfterIdleMs: 0,
      validateTimeoutMs: 60_000,
    });
    await pool.use(() => {});
    return await pool.acquire({ timeoutMs: 50 });
  },
  'a caller who waits for validate': async (target) => {
    const pool = new BrokerPool({
      ...target,
      max: 1,
      validate: () => new Promise(() => {}),
      validateAfterIdleMs: 0,
      validateTimeoutMs: 60_000,
    });
    await pool.use(() => {});
    return await pool.acquire({ timeoutMs: 1_000 });
  },
  'a single connect whose time is up': (target) => connectToBackend({ ...target, roundTripTimeoutMs: 50 }),
  'an admin request that is given up': ({ brokerEndpoint }) =>
    sendAdminRequest({ brokerEndpoint, verb: 'STATUS', signal: AbortSignal.timeout(50) }),
  'a caller with time': (target) => new BrokerPool(target).acquire({ timeoutMs: 2_500 }),
  'a caller of a handoff with time': (target) =>
    new BrokerPool({ ...target, adoptHandedOffConnection: true, handoffReadyTimeoutMs: 20_000 }).acquire({
      timeoutMs: 2_500,
    }),
  'a caller of warm with time': (target) => new BrokerPool({ ...target, min: 1 }).warm({ timeoutMs: 2_500 }),
  'a caller of close while a handoff is awaited': async (target) => {
    const pool = new BrokerPool({ ...target, adoptHandedOffConnection: true, handoffReadyTimeoutMs: 20_000 });
    await pool.acquire({ timeoutMs: 1_500 }).catch(() => {});
    await pool.close();
  },
  'a caller of warm without min': (target) =>
    new BrokerPool({ ...target, adoptHandedOffConnection: true }).warm(),
  'a single connect with time': (target) => connectToBackend({ ...target, roundTripTimeoutMs: 2_500 }),
};

async function inThread(): Promise<void> {
  const { target, port } = workerData;
  if (port === undefined)
    return void new BrokerPool({ ...target, min: 1 }).acquire({ timeoutMs: 50 }).catch(() => {});
  const pool = await connectSharedPool(port);
  await pool.acquire({ timeoutMs: 50 }).catch(() => {});
}

if (isMainThread) {
  const [, , what = '', targetText = ''] = process.argv;
  const program = PROGRAMS[what];
  if (program === undefined) throw new Error(`there is no program for ${what}`);
  const startedMs = performance.now();
  const outcome = await program(JSON.parse(targetText)).then(
    () => 'done',
    (error: unknown) => (error instanceof BrokerPoolError ? error.code : String(error)),
  );
  const lastLineMs = performance.now();
  process.on('exit', () => {
    const nowMs = performance.now();
    process.stdout.write(`${outcome} ${Math.round(nowMs - lastLineMs)} ${Math.round(nowMs - startedMs)}`);
  });
} else {
  await inThread();
}
