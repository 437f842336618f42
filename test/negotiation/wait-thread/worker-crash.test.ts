import { writeFileSync } from 'node:fs';
import type { WorkerDriver } from '../../../src/negotiation/wait-thread/worker-driver.js';
import { loadNative } from '../../../src/os/native.js';
import { CRASH_FILE_VARIABLE } from '../../helpers/crashing-worker.js';
import { Injector } from '../../helpers/faulty-system.js';
import test from '../../helpers/sanitary.js';
import { closed, echo, startSystem } from '../../helpers/system.js';
import { testWhere } from '../../helpers/test-where.js';
import { connectionOf, handshakeJob, openDriver, run, workerDriver } from '../drivers-kit.js';

const native = loadNative();
const workerUrl = new URL('../../helpers/crashing-worker.js', import.meta.url).href;
const EPOLL_CTL_DEL = 2;
const threadsTest = testWhere(native !== undefined, 'the C library', test.serial);

function crashingDriver(onFailed: (reason: string) => void = () => {}): WorkerDriver {
  if (native === undefined) throw new Error('no threads here');
  return workerDriver(native, { workerUrl, onFailed });
}

threadsTest('the event loop runs a job whose thread has died (X-25)', async (t) => {
  const { broker, directory } = await startSystem(t);
  const file = `${directory}/crash.once`;
  process.env[CRASH_FILE_VARIABLE] = file;
  writeFileSync(file, '');
  const { socket } = connectionOf(await run(openDriver(t, crashingDriver), handshakeJob(broker.endpoint)));
  t.is(await echo(socket, 'after the crash'), 'after the crash');
  await closed(socket);
  await broker.until(() => broker.openConnections === 0);
  t.is(broker.earlyHangUps, 0, 'the reply on the connection of the dead thread was read to its end');
});

threadsTest(
  'a driver whose thread has died says so once, and does all that follows on the event loop',
  async (t) => {
    const { broker, directory } = await startSystem(t);
    const file = `${directory}/crash.always`;
    process.env[CRASH_FILE_VARIABLE] = file;
    writeFileSync(file, '');
    const reasons: string[] = [];
    const driver = crashingDriver((reason) => reasons.push(reason));
    t.teardown(() => driver.close());
    t.is(driver.name, 'worker');
    for (let job = 0; job < 3; job++)
      await closed(connectionOf(await run(driver, handshakeJob(broker.endpoint))).socket);
    t.is(driver.name, 'event-loop');
    t.deepEqual(reasons, ['it ended with code 7']);
    await t.notThrowsAsync(driver.warm());
  },
);

threadsTest('a driver that is closed twice, or was never used, just closes', async (t) => {
  const driver = crashingDriver();
  await driver.close();
  await t.notThrowsAsync(driver.close());
});

threadsTest('a wait thread that cannot be set up is an error with the system error as its cause', (t) => {
  const faulty = native && new Injector({ call: 'eventfd', nth: 1, code: 'EMFILE' }).native(native);
  if (faulty?.polling.eventfd === undefined) {
    t.pass('only Linux has an eventfd');
    return;
  }
  const error = t.throws(() => workerDriver(faulty), {
    code: 'WORKER_FAILED',
    message: /^cannot set up the wait thread: eventfd EMFILE$/,
  });
  t.true(error?.cause instanceof Error);
  t.like(error?.cause, { code: 'EMFILE', syscall: 'eventfd' });
});

threadsTest('a connection that a dead thread watched is taken off its watch', async (t) => {
  const { broker, directory } = await startSystem(t);
  const { epollControl } = native?.polling ?? {};
  if (native === undefined || epollControl === undefined) {
    t.pass('only Linux has an epoll');
    return;
  }
  const changes: string[] = [];
  const recorded: typeof epollControl = (queue, operation, descriptor, event) => {
    changes.push(`${operation === EPOLL_CTL_DEL ? 'remove' : 'add'} ${descriptor}`);
    return epollControl(queue, operation, descriptor, event);
  };
  const driver = openDriver(t, () =>
    workerDriver({ ...native, polling: { ...native.polling, epollControl: recorded } }, { workerUrl }),
  );
  const file = `${directory}/crash.once`;
  process.env[CRASH_FILE_VARIABLE] = file;
  writeFileSync(file, '');
  const { socket } = connectionOf(await run(driver, handshakeJob(broker.endpoint)));
  const [added = ''] = changes;
  t.deepEqual(changes, [added, added.replace('add', 'remove')]);
  await closed(socket);
});
