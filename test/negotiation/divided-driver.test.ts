import { DividedDriver, openDriver } from '../../src/negotiation/divided-driver.js';
import type { Outcome } from '../../src/negotiation/job.js';
import { EventLoopDriver } from '../../src/negotiation/event-loop/event-loop-driver.js';
import { errno } from '../../src/os/errno.js';
import { loadNative } from '../../src/os/native.js';
import { Leftovers, until } from '../helpers/leftovers.js';
import test from '../helpers/sanitary.js';
import { closed, startSystem } from '../helpers/system.js';
import { connectionOf, failureOf, handshakeJob, openDriver as driverOf, run } from './drivers-kit.js';

const native = loadNative();
const EMFILE = -(errno['EMFILE'] ?? 0);
/** One at a time: they count the threads of the process. */
const threadsTest = native === undefined || process.platform !== 'linux' ? test.skip : test.serial;

function dividedDriver(): DividedDriver {
  if (native === undefined) throw new Error('no threads here');
  return new DividedDriver(native);
}

function threadsSince(before: Leftovers): boolean {
  return before.list().some((line) => line.startsWith('threads'));
}

threadsTest('one negotiation after the other starts no thread', async (t) => {
  const { broker } = await startSystem(t);
  const driver = driverOf(t, dividedDriver);
  const before = new Leftovers();
  for (let time = 0; time < 10; time++) await closed(connectionOf(await run(driver, handshakeJob(broker.endpoint))).socket);
  t.false(threadsSince(before));
});

threadsTest('many at once are divided between the event loop and a thread', async (t) => {
  const { broker } = await startSystem(t);
  broker.behaviour = { kind: 'silent' };
  const driver = driverOf(t, dividedDriver);
  const before = new Leftovers();
  const outcomes = Array.from({ length: 20 }, () => run(driver, handshakeJob(broker.endpoint)));
  await broker.until(() => broker.helloCount === 20);
  await driver.warm();
  t.true(threadsSince(before));
  broker.releaseSilent();
  for (const outcome of await Promise.all(outcomes)) if (outcome.kind === 'connected') await closed(outcome.socket);
});

threadsTest('waits that are stuck on the event loop leave it to the thread to serve the others', async (t) => {
  const { broker, backend } = await startSystem(t);
  broker.behaviour = { kind: 'silent' };
  const driver = driverOf(t, dividedDriver);
  const stuck = Array.from({ length: 5 }, () => run(driver, handshakeJob(broker.endpoint)));
  await broker.until(() => broker.helloCount === 5);
  broker.behaviour = { kind: 'answer' };
  for (let time = 0; time < 5; time++) {
    const connection = connectionOf(await run(driver, handshakeJob(broker.endpoint)));
    t.is(connection.endpoint, backend.endpoint);
    await closed(connection.socket);
  }
  broker.releaseSilent();
  for (const outcome of await Promise.all(stuck)) if (outcome.kind === 'connected') await closed(outcome.socket);
});

threadsTest('a handoff is waited for on the thread', async (t) => {
  const { broker } = await startSystem(t);
  broker.behaviour = { kind: 'lateReady', wait: new Promise(() => {}) };
  const driver = driverOf(t, dividedDriver);
  const before = new Leftovers();
  const job = handshakeJob(broker.endpoint, { adoptHandedOffConnection: true, handoffReadyTimeoutMs: 10 });
  const connection = connectionOf(await run(driver, job));
  t.is(connection.route, 'broker-negotiated');
  t.true(threadsSince(before));
  await closed(connection.socket);
});

threadsTest('warming up starts the thread once, and a warm driver closes', async (t) => {
  const driver = dividedDriver();
  const before = new Leftovers();
  await Promise.all([driver.warm(), driver.warm()]);
  t.true(threadsSince(before));
  await driver.close();
  await t.notThrowsAsync(driver.warm());
  const { broker } = await startSystem(t);
  t.is(failureOf(await run(driver, handshakeJob(broker.endpoint))).code, 'ABORTED');
});

threadsTest('where the thread has nothing to wait with, the jobs that need it fail, and the next one tries again', async (t) => {
  const { broker } = await startSystem(t);
  if (native === undefined) return t.fail();
  const { system, polling } = native;
  const without = { eventfd: () => EMFILE, pipe: () => EMFILE };
  const scarce = { system, polling: { ...polling, ...without } };
  const driver = driverOf(t, () => new DividedDriver(scarce));
  await t.notThrowsAsync(driver.warm());
  const job = handshakeJob(broker.endpoint, { adoptHandedOffConnection: true });
  let settledAtOnce = true;
  const outcome = new Promise<Outcome>((resolve) => {
    driver.start(job, (ended) => {
      t.false(settledAtOnce, 'never before start has returned');
      resolve(ended);
    });
    settledAtOnce = false;
  });
  t.like(failureOf(await outcome), { code: 'WORKER_FAILED', endpoint: broker.endpoint, system: { code: 'EMFILE' } });
  await closed(connectionOf(await run(driver, handshakeJob(broker.endpoint))).socket);
  Object.assign(scarce.polling, { eventfd: polling.eventfd, pipe: polling.pipe });
  await closed(connectionOf(await run(driver, job)).socket);
});

test('the driver of this platform is divided where threads can wait, else the event loop', async (t) => {
  const driver = openDriver();
  t.is(driver instanceof EventLoopDriver, native === undefined);
  await driver.warm();
  await driver.close();
});

threadsTest('two replies are awaited on the event loop, and the third one starts the thread', async (t) => {
  const { broker } = await startSystem(t);
  broker.behaviour = { kind: 'silent' };
  const driver = driverOf(t, dividedDriver);
  const before = new Leftovers();
  const outcomes = [1, 2].map(() => run(driver, handshakeJob(broker.endpoint)));
  await broker.until(() => broker.helloCount === 2);
  t.false(threadsSince(before));
  outcomes.push(run(driver, handshakeJob(broker.endpoint)));
  await broker.until(() => broker.helloCount === 3);
  t.true(await until(() => threadsSince(before)));
  broker.releaseSilent();
  for (const outcome of await Promise.all(outcomes)) if (outcome.kind === 'connected') await closed(outcome.socket);
});
