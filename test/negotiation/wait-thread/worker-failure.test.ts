/** Threads that do not start, and threads that hang: the event loop does their jobs. */
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setImmediate as turn } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { Outcome } from '../../../src/negotiation/job.js';
import { GRACE_MS } from '../../../src/negotiation/wait-thread/submitted-jobs.js';
import type { WorkerDriver } from '../../../src/negotiation/wait-thread/worker-driver.js';
import { loadNative } from '../../../src/os/native.js';
import { BLOCKED_MS, THREAD_FAULT_VARIABLE, THREAD_FAULTS } from '../../helpers/failing-worker.js';
import { Leftovers, until } from '../../helpers/leftovers.js';
import { scaled } from '../../helpers/patience.js';
import test from '../../helpers/sanitary.js';
import { closed, echo, startSystem } from '../../helpers/system.js';
import { testWhere } from '../../helpers/test-where.js';
import { connectionOf, failureOf, handshakeJob, run, workerDriver } from '../drivers-kit.js';

const native = loadNative();
const workerUrl = new URL('../../helpers/failing-worker.js', import.meta.url).href;
const threadsTest = testWhere(native !== undefined, 'the C library', test.serial);

/** For threads that never begin: long enough for them to have loaded Node's own modules. */
const START_LIMIT_MS = scaled(1_500);

function driverWith(fault: string, reasons: string[] = [], url = workerUrl): WorkerDriver {
  if (native === undefined) throw new Error('no threads here');
  process.env[THREAD_FAULT_VARIABLE] = fault;
  return workerDriver(native, {
    workerUrl: url,
    onFailed: (reason) => reasons.push(reason),
    ...((fault === 'loops' || fault === 'sleeps') && { startLimitMs: START_LIMIT_MS }),
  });
}

/** Puts a class in place of the one by which piscina creates its threads. */
function replaceWorker(replacement: unknown): () => void {
  const threads: Record<string, unknown> = createRequire(import.meta.url)('node:worker_threads');
  const { Worker } = threads;
  threads['Worker'] = replacement;
  return () => {
    threads['Worker'] = Worker;
  };
}

function noWorker(): never {
  throw new Error('ERR_WORKER_INIT_FAILED');
}

async function checkFallback(t: ExecutionContext, fault: string, url = workerUrl): Promise<void> {
  const { broker } = await startSystem(t);
  const before = new Leftovers();
  const reasons: string[] = [];
  const driver = driverWith(fault, reasons, url);
  const { socket } = connectionOf(await run(driver, handshakeJob(broker.endpoint)));
  t.is(await echo(socket, 'without a thread'), 'without a thread');
  await closed(socket);
  t.is(reasons.length, 1);
  t.is(driver.name, 'event-loop');
  await driver.close();
  t.true(await until(() => before.list().length === 0), before.list().join());
}

for (const fault of THREAD_FAULTS) {
  const when = fault === 'fails' ? 'when it is given a session' : 'while it loads';
  threadsTest(`a job whose thread ${fault} ${when} runs on the event loop`, (t) => checkFallback(t, fault));
}

threadsTest(
  'a driver that closes gives up the jobs that its thread has left to the event loop',
  async (t) => {
    const { broker } = await startSystem(t);
    broker.behaviour = { kind: 'silent' };
    const reasons: string[] = [];
    const driver = driverWith('throws', reasons);
    const outcome = run(driver, handshakeJob(broker.endpoint));
    t.true(await until(() => reasons.length === 1));
    await driver.close();
    t.is(failureOf(await outcome).code, 'ABORTED');
    // Hellos that the broker reads only now, too: an owed reply is awaited for 35 s.
    broker.behaviour = { kind: 'answer' };
    broker.releaseSilent();
    await broker.until(() => broker.openConnections === 0);
  },
);

/** A driver, and the descriptors to which it writes a wake-up after it has closed them. */
function watchedDriver(url: string | undefined): { driver: WorkerDriver; misled: number[] } {
  if (native === undefined) throw new Error('no threads here');
  const { system, polling } = native;
  const freed = new Set<number>();
  const misled: number[] = [];
  const close = (descriptor: number): number => {
    freed.add(descriptor);
    return system.close(descriptor);
  };
  const write = (descriptor: number, bytes: Uint8Array): number => {
    if (freed.has(descriptor)) misled.push(descriptor);
    return polling.write(descriptor, bytes);
  };
  const calls = { ...native, system: { ...system, close }, polling: { ...polling, write } };
  return { driver: workerDriver(calls, { workerUrl: url }), misled };
}

for (const [what, url] of [
  ['has a thread', undefined],
  ['has lost its thread', new URL('nowhere.js', import.meta.url).href],
] as const)
  threadsTest(`the close of a driver that ${what} writes no wake-up into a closed descriptor`, async (t) => {
    const { broker } = await startSystem(t);
    const before = new Leftovers();
    const { driver, misled } = watchedDriver(url);
    await closed(connectionOf(await run(driver, handshakeJob(broker.endpoint))).socket);
    // The descriptors of a driver whose thread has failed are closed long before the driver is.
    if (url !== undefined) t.true(await until(() => before.list().length === 0), before.list().join());
    await driver.close();
    t.deepEqual(misled, [], 'the number may be that of another file by then');
  });

threadsTest('a job whose worker file is missing runs on the event loop', (t) =>
  checkFallback(t, '', new URL('nowhere.js', import.meta.url).href),
);

threadsTest('a job whose thread cannot be created runs on the event loop', async (t) => {
  const restore = replaceWorker(noWorker);
  try {
    await checkFallback(t, '');
  } finally {
    restore();
  }
});

threadsTest(
  'a driver without memory to share with a thread is not made, and leaves nothing open',
  async (t) => {
    const { SharedArrayBuffer } = globalThis;
    const before = new Leftovers();
    Reflect.deleteProperty(globalThis, 'SharedArrayBuffer');
    try {
      t.throws(() => driverWith(''), { instanceOf: ReferenceError });
    } finally {
      Object.assign(globalThis, { SharedArrayBuffer });
    }
    t.true(await until(() => before.list().length === 0), before.list().join());
  },
);

threadsTest(
  'a thread that hangs delays no job by more than its deadline and the grace, and the event loop does the others',
  async (t) => {
    const { broker, directory } = await startSystem(t);
    writeFileSync(`${directory}/hang`, '');
    const before = new Leftovers();
    const reasons: string[] = [];
    const driver = driverWith(`${directory}/hang`, reasons);
    await driver.warm();
    t.true(driver.ready);
    const long = run(driver, handshakeJob(broker.endpoint));
    const startedMs = performance.now();
    const short = await run(driver, handshakeJob(broker.endpoint, { roundTripTimeoutMs: 200 }));
    t.true(performance.now() - startedMs >= 200 + GRACE_MS - 5, 'the thread has its time');
    t.like(failureOf(short), { code: 'TIMEOUT', phase: 'hello' });
    t.deepEqual(reasons, ['it hangs: it has missed a deadline']);
    t.false(driver.ready);
    await closed(connectionOf(await long).socket);
    await broker.until(() => broker.openConnections === 0);
    t.is(broker.earlyHangUps, 0);
    await driver.close();
    t.true(await until(() => before.list().length === 0), before.list().join());
  },
);

threadsTest('a driver that is closed, or whose thread has failed, starts no thread to warm up', async (t) => {
  const { broker } = await startSystem(t);
  const failed = driverWith('fails');
  await closed(connectionOf(await run(failed, handshakeJob(broker.endpoint))).socket);
  t.is(failed.name, 'event-loop');
  const finished = driverWith('');
  await finished.close();
  const before = new Leftovers();
  const warming = Promise.all([failed.warm(), finished.warm()]);
  t.false(before.list().some((line) => line.startsWith('threads')));
  await warming;
  t.false(finished.ready);
  await failed.close();
});

threadsTest(
  'a thread that loops while it loads is ended when its time to start is over, though a job has missed its deadline before',
  async (t) => {
    const { broker } = await startSystem(t);
    broker.behaviour = { kind: 'silent' };
    const before = new Leftovers();
    const driver = driverWith('loops');
    const outcome = await run(driver, handshakeJob(broker.endpoint, { roundTripTimeoutMs: 200 }));
    t.is(failureOf(outcome).code, 'TIMEOUT');
    t.is(driver.name, 'event-loop');
    broker.behaviour = { kind: 'answer' };
    broker.releaseSilent();
    t.true(await until(() => before.list().length === 0, 10 * START_LIMIT_MS), before.list().join());
    await driver.close();
  },
);

threadsTest('a job that is given up while its thread hangs is aborted', async (t) => {
  const { broker, directory } = await startSystem(t);
  writeFileSync(`${directory}/hang`, '');
  const driver = driverWith(`${directory}/hang`);
  t.teardown(() => driver.close());
  await driver.warm();
  const outcome = await new Promise<Outcome>((resolve) =>
    driver.start(handshakeJob(broker.endpoint), resolve)(),
  );
  t.is(failureOf(outcome).code, 'ABORTED');
});

threadsTest('a job that is given up after its thread has failed is aborted within a turn', async (t) => {
  const { broker, directory } = await startSystem(t);
  broker.behaviour = { kind: 'silent' };
  writeFileSync(`${directory}/hang`, 'blocked');
  const before = new Leftovers();
  const driver = driverWith(`${directory}/hang`);
  await driver.warm();
  let giveUp = (): void => {};
  const aborted = new Promise<Outcome>((resolve) => {
    giveUp = driver.start(handshakeJob(broker.endpoint), resolve);
  });
  // The thread fails by the deadline that it misses.
  await run(driver, handshakeJob(broker.endpoint, { roundTripTimeoutMs: 10 }));
  t.is(driver.name, 'event-loop');
  let outcome: Outcome | undefined;
  void aborted.then((ended) => (outcome = ended));
  giveUp();
  await turn();
  t.is(outcome && failureOf(outcome).code, 'ABORTED');
  await driver.close();
  broker.behaviour = { kind: 'answer' };
  broker.releaseSilent();
  t.true(await until(() => before.list().length === 0, 2 * BLOCKED_MS), before.list().join());
});

for (const [where, content] of [
  ['in JavaScript', ''],
  ['in a system call', 'blocked'],
] as const) {
  threadsTest(`closing does not wait for a thread that hangs ${where}`, async (t) => {
    const { broker, directory } = await startSystem(t);
    writeFileSync(`${directory}/hang`, content);
    const before = new Leftovers();
    const driver = driverWith(`${directory}/hang`);
    await driver.warm();
    const job = run(driver, handshakeJob(broker.endpoint));
    const startedMs = performance.now();
    await driver.close();
    t.true(performance.now() - startedMs < BLOCKED_MS);
    t.is(failureOf(await job).code, 'ABORTED');
    t.true(await until(() => before.list().length === 0, 2 * BLOCKED_MS), before.list().join());
  });
}
