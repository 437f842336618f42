/** koffi aborts the process if its thread is terminated while it is loaded there. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../../src/clock.js';
import { EventLoopDriver } from '../../../src/negotiation/event-loop/event-loop-driver.js';
import { SharedThreadState, SLOT_COUNT } from '../../../src/negotiation/wait-thread/thread-protocol.js';
import { WorkerDriver } from '../../../src/negotiation/wait-thread/worker-driver.js';
import { loadNative } from '../../../src/os/native.js';
import { endpointIn } from '../../helpers/endpoints.js';
import { until } from '../../helpers/leftovers.js';
import { BEGINS, ENDS, GOES_ON, NOTES_VARIABLE } from '../../helpers/loading-worker.js';
import test, { temporaryDirectory } from '../../helpers/sanitary.js';
import { startSystem } from '../../helpers/system.js';
import { closed } from '../../helpers/talk.js';
import { testWhere } from '../../helpers/test-where.js';
import { connectionOf, failureOf, handshakeJob, run, workerDriver } from '../drivers-kit.js';

const native = loadNative();
const threadsTest = testWhere(native !== undefined, 'the C library', test.serial);
const workerUrl = new URL('../../helpers/loading-worker.js', import.meta.url).href;
const PROGRAM = fileURLToPath(new URL('exits-while-loading.js', import.meta.url));

threadsTest(
  'a driver that closes while its thread loads the C library lets it load, and then ends it',
  async (t) => {
    if (native === undefined) return t.fail();
    const directory = temporaryDirectory(t);
    process.env[NOTES_VARIABLE] = directory;
    const driver = new WorkerDriver(native, {
      fallback: new EventLoopDriver(systemClock, native),
      workerUrl,
    });
    const warm = driver.warm();
    t.true(await until(() => existsSync(`${directory}/${BEGINS}`)));
    await Promise.all([driver.close(), warm]);
    t.true(await until(() => existsSync(`${directory}/${ENDS}`)));
  },
);

threadsTest(
  'a thread that loads for so long that a job misses its deadline leaves the other jobs to the event loop',
  async (t) => {
    if (native === undefined) return t.fail();
    const { broker, directory } = await startSystem(t);
    process.env[NOTES_VARIABLE] = directory;
    writeFileSync(`${directory}/${GOES_ON}`, '');
    const reasons: string[] = [];
    const driver = workerDriver(native, { workerUrl, onFailed: (reason) => reasons.push(reason) });
    broker.behaviour = { kind: 'silent' };
    const long = [1, 2].map(() => run(driver, handshakeJob(broker.endpoint)));
    t.true(await until(() => existsSync(`${directory}/${BEGINS}`)));
    const short = await run(driver, handshakeJob(broker.endpoint, { roundTripTimeoutMs: 10 }));
    t.is(failureOf(short).code, 'TIMEOUT');
    t.deepEqual(reasons, ['it hangs: it has missed a deadline']);
    broker.behaviour = { kind: 'answer' };
    rmSync(`${directory}/${GOES_ON}`);
    for (const outcome of await Promise.all(long)) await closed(connectionOf(outcome).socket);
    broker.releaseSilent();
    await broker.until(() => broker.openConnections === 0);
    t.is(broker.earlyHangUps, 0);
    await driver.close();
    t.true(await until(() => existsSync(`${directory}/${ENDS}`)), 'the thread was not ended while it loaded');
  },
);

threadsTest('a job that is late before it has a slot is not begun when a slot is free', async (t) => {
  if (native === undefined) return t.fail();
  const { broker, directory } = await startSystem(t);
  process.env[NOTES_VARIABLE] = directory;
  writeFileSync(`${directory}/${GOES_ON}`, '');
  const driver = workerDriver(native, { workerUrl });
  t.teardown(() => driver.close());
  const nowhere = handshakeJob(endpointIn(directory, 'none'), { trust: undefined });
  const others = Array.from({ length: SLOT_COUNT }, () => run(driver, nowhere));
  const late = await run(driver, handshakeJob(broker.endpoint, { roundTripTimeoutMs: 10 }));
  t.is(failureOf(late).code, 'TIMEOUT');
  rmSync(`${directory}/${GOES_ON}`);
  for (const outcome of await Promise.all(others)) t.is(failureOf(outcome).code, 'BROKER_CONNECT');
  await closed(connectionOf(await run(driver, handshakeJob(broker.endpoint))).socket);
  t.is(broker.helloCount, 1, 'that of the last job');
});

threadsTest('process.exit() waits for a thread that loads the C library', async (t) => {
  const directory = temporaryDirectory(t);
  const child = spawn(process.execPath, [PROGRAM, directory], { stdio: 'inherit' });
  t.deepEqual(await once(child, 'exit'), [5, null]);
  t.true(existsSync(`${directory}/${ENDS}`));
});

test('a thread that is told to stop before it loads does not begin to', (t) => {
  const state = new SharedThreadState();
  t.is(
    state.load(() => state.loading),
    true,
  );
  t.false(state.loading);
  state.requestStop();
  t.is(
    state.load(() => t.fail()),
    undefined,
  );
  t.false(state.loading);
});
