import { HybridDriver, openDriver } from '../../src/negotiation/hybrid-driver.js';
import type { Outcome } from '../../src/negotiation/job.js';
import { EventLoopDriver } from '../../src/negotiation/event-loop/event-loop-driver.js';
import { errno } from '../../src/os/errno.js';
import { loadNative } from '../../src/os/native.js';
import { Leftovers } from '../helpers/leftovers.js';
import test from '../helpers/sanitary.js';
import { closed, startSystem } from '../helpers/system.js';
import { testWhere } from '../helpers/test-where.js';
import { connectionOf, failureOf, handshakeJob, openDriver as driverOf, run } from './drivers-kit.js';

const native = loadNative();
const EMFILE = -(errno['EMFILE'] ?? 0);
/** One at a time: they count the threads of the process. */
const threadsTest = testWhere(
  native !== undefined && process.platform === 'linux',
  'the C library and Linux, where threads are counted',
  test.serial,
);

function hybridDriver(): HybridDriver {
  if (native === undefined) throw new Error('no threads here');
  return new HybridDriver(native);
}

function threadsSince(before: Leftovers): boolean {
  return before.list().some((line) => line.startsWith('threads'));
}

threadsTest('one negotiation after the other starts no thread', async (t) => {
  const { broker } = await startSystem(t);
  const driver = driverOf(t, hybridDriver);
  const before = new Leftovers();
  for (let time = 0; time < 10; time++)
    await closed(connectionOf(await run(driver, handshakeJob(broker.endpoint))).socket);
  t.false(threadsSince(before));
});

threadsTest(
  'short negotiations start no thread, however many are stuck, and hold up no others',
  async (t) => {
    const { broker, backend } = await startSystem(t);
    broker.behaviour = { kind: 'silent' };
    const driver = driverOf(t, hybridDriver);
    const before = new Leftovers();
    const stuck = Array.from({ length: 100 }, () => run(driver, handshakeJob(broker.endpoint)));
    await broker.until(() => broker.helloCount === 100);
    broker.behaviour = { kind: 'answer' };
    for (let time = 0; time < 5; time++) {
      const connection = connectionOf(await run(driver, handshakeJob(broker.endpoint)));
      t.is(connection.endpoint, backend.endpoint);
      await closed(connection.socket);
    }
    t.false(threadsSince(before));
    broker.releaseSilent();
    for (const outcome of await Promise.all(stuck)) await closed(connectionOf(outcome).socket);
  },
);

threadsTest(
  'a handoff starts the thread, is waited for on the event loop until that has started, and then on the thread',
  async (t) => {
    const { broker } = await startSystem(t);
    broker.behaviour = { kind: 'lateReady', wait: new Promise(() => {}) };
    const { epollControl } = native?.polling ?? {};
    if (native === undefined || epollControl === undefined) return t.fail();
    let watched = 0;
    const counting: typeof epollControl = (...args) => {
      watched += 1;
      return epollControl(...args);
    };
    const calls = { ...native, polling: { ...native.polling, epollControl: counting } };
    const driver = driverOf(t, () => new HybridDriver(calls));
    const before = new Leftovers();
    const negotiate = async (): Promise<void> => {
      const job = handshakeJob(broker.endpoint, {
        adoptHandedOffConnection: true,
        handoffReadyTimeoutMs: 10,
      });
      const connection = connectionOf(await run(driver, job));
      t.is(connection.route, 'broker-negotiated');
      await closed(connection.socket);
    };
    const first = negotiate();
    t.true(threadsSince(before));
    await first;
    await driver.warm();
    watched = 0;
    await negotiate();
    t.is(driver.name, 'worker');
    t.true(watched > 0, "the broker's connection is on the watch of the thread");
  },
);

threadsTest(
  'warming up starts the thread once, and a driver that is closed, warm or unused, starts none',
  async (t) => {
    const driver = hybridDriver();
    const before = new Leftovers();
    await Promise.all([driver.warm(), driver.warm()]);
    t.true(threadsSince(before));
    await driver.close();
    const { broker } = await startSystem(t);
    const unused = hybridDriver();
    await unused.close();
    const afterwards = new Leftovers();
    for (const ended of [driver, unused]) {
      await t.notThrowsAsync(ended.warm());
      for (const adoptHandedOffConnection of [false, true]) {
        const outcome = await run(ended, handshakeJob(broker.endpoint, { adoptHandedOffConnection }));
        t.is(failureOf(outcome).code, 'ABORTED');
      }
    }
    t.false(threadsSince(afterwards), 'it starts no other thread');
  },
);

threadsTest(
  'while the thread cannot start the event loop does its jobs, with a warning each time, and later the thread is started',
  async (t) => {
    const { broker } = await startSystem(t);
    if (native === undefined) return t.fail();
    const { system, polling } = native;
    const scarce = { system, polling: { ...polling, eventfd: () => EMFILE, pipe: () => EMFILE } };
    const reasons: string[] = [];
    const driver = new HybridDriver(scarce, (reason) => reasons.push(reason), undefined, 0);
    t.teardown(() => driver.close());
    t.is(driver.name, 'worker');
    await t.notThrowsAsync(driver.warm());
    t.is(driver.name, 'event-loop');
    const job = handshakeJob(broker.endpoint, { adoptHandedOffConnection: true });
    let hasReturned = false;
    const outcome = new Promise<Outcome>((resolve) => {
      driver.start(job, (ended) => {
        t.true(hasReturned, 'never before start has returned');
        resolve(ended);
      });
      hasReturned = true;
    });
    await closed(connectionOf(await outcome).socket);
    t.deepEqual(
      reasons,
      Array.from({ length: 2 }, () => 'cannot set up the wait thread: eventfd EMFILE'),
    );
    Object.assign(scarce.polling, { eventfd: polling.eventfd, pipe: polling.pipe });
    await driver.warm();
    t.is(driver.name, 'worker');
    await closed(connectionOf(await run(driver, job)).socket);
  },
);

threadsTest('a thread that has failed is not started again at once', async (t) => {
  const { broker } = await startSystem(t);
  if (native === undefined) return t.fail();
  const reasons: string[] = [];
  const workerUrl = new URL('nowhere.js', import.meta.url).href;
  const driver = new HybridDriver(native, (reason) => reasons.push(reason), workerUrl);
  t.teardown(() => driver.close());
  const before = new Leftovers();
  await driver.warm();
  for (let time = 0; time < 3; time++) {
    const job = handshakeJob(broker.endpoint, { adoptHandedOffConnection: true });
    await closed(connectionOf(await run(driver, job)).socket);
    await driver.warm();
  }
  t.is(reasons.length, 1);
  t.false(threadsSince(before));
});

threadsTest('without shared memory the event loop runs every job', async (t) => {
  const { broker } = await startSystem(t);
  if (native === undefined) return t.fail();
  const { SharedArrayBuffer } = globalThis;
  const reasons: string[] = [];
  const driver = new HybridDriver(native, (reason) => reasons.push(reason));
  t.teardown(() => driver.close());
  Reflect.deleteProperty(globalThis, 'SharedArrayBuffer');
  try {
    await closed(
      connectionOf(await run(driver, handshakeJob(broker.endpoint, { adoptHandedOffConnection: true })))
        .socket,
    );
  } finally {
    Object.assign(globalThis, { SharedArrayBuffer });
  }
  t.is(driver.name, 'event-loop');
  t.deepEqual(reasons, ['SharedArrayBuffer is not defined']);
});

test('the driver of this platform is divided where threads can wait, else the event loop', async (t) => {
  const driver = openDriver();
  t.is(driver instanceof EventLoopDriver, native === undefined);
  await driver.warm();
  await driver.close();
});
