/** The callback at a job's end may call the driver again. */
import { writeFileSync } from 'node:fs';
import type { Outcome } from '../../../src/negotiation/job.js';
import { SLOT_COUNT } from '../../../src/negotiation/wait-thread/thread-protocol.js';
import { loadNative, type Native } from '../../../src/os/native.js';
import { endpointIn } from '../../helpers/endpoints.js';
import { CRASH_FILE_VARIABLE } from '../../helpers/crashing-worker.js';
import test, { temporaryDirectory } from '../../helpers/sanitary.js';
import { startSystem } from '../../helpers/system.js';
import { testWhere } from '../../helpers/test-where.js';
import { failureOf, handshakeJob, openDriver, run, workerDriver } from '../drivers-kit.js';

const native = loadNative();
const workerUrl = new URL('../../helpers/crashing-worker.js', import.meta.url).href;
const threadsTest = testWhere(native !== undefined, 'the C library', test.serial);

function loaded(): Native {
  if (native === undefined) throw new Error('no threads here');
  return native;
}

threadsTest('a job that is given up when another one ends, after a crash, is not begun again', async (t) => {
  const { broker, directory } = await startSystem(t);
  broker.behaviour = { kind: 'silent' };
  process.env[CRASH_FILE_VARIABLE] = `${directory}/crash.once`;
  writeFileSync(`${directory}/crash.once`, '');
  const driver = openDriver(t, () => workerDriver(loaded(), { workerUrl }));
  const ends: string[] = [];
  const ended = (name: string, outcome: Outcome): void => {
    ends.push(`${name} ${failureOf(outcome).code}`);
  };
  await new Promise<void>((resolve) => {
    const giveUpFirst = driver.start(handshakeJob(broker.endpoint), (outcome) => {
      ended('first', outcome);
      resolve();
    });
    const giveUpSecond = driver.start(handshakeJob(broker.endpoint), (outcome) => {
      ended('second', outcome);
      // The first one's turn is over: it was neither given up nor out of tries.
      giveUpFirst();
    });
    giveUpSecond();
  });
  t.deepEqual(ends, ['second ABORTED', 'first ABORTED']);
  // The new thread may have asked once more, and the broker not have heard it yet.
  broker.behaviour = { kind: 'answer' };
  broker.releaseSilent();
  await broker.until(() => broker.openConnections === 0);
  t.is(broker.earlyHangUps, 0);
});

threadsTest(
  'a driver closes once, although a callback of its close closes it again and gives it a job',
  async (t) => {
    const { system, polling } = loaded();
    const closes: number[] = [];
    const close = (descriptor: number): number => {
      closes.push(descriptor);
      return system.close(descriptor);
    };
    const driver = workerDriver({ polling, system: { ...system, close } });
    const endpoint = endpointIn(temporaryDirectory(t), 'none');
    const jobs = Array.from({ length: SLOT_COUNT }, () =>
      run(driver, handshakeJob(endpoint, { trust: undefined })),
    );
    // There is no slot left: this one hears of the close first.
    const queued = new Promise<Promise<unknown>[]>((resolve) => {
      driver.start(handshakeJob(endpoint), (outcome) => {
        t.is(failureOf(outcome).code, 'ABORTED');
        const late = run(driver, handshakeJob(endpoint)).then((refused) =>
          t.is(failureOf(refused).code, 'ABORTED'),
        );
        resolve([driver.close(), late, driver.warm()]);
      });
    });
    closes.splice(0);
    const closing = driver.close();
    await Promise.all(await queued);
    await closing;
    await Promise.all(jobs);
    t.deepEqual(closes, [...new Set(closes)], 'no descriptor is closed twice');
  },
);
