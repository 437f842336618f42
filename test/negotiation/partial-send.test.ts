import { systemClock } from '../../src/clock.js';
import type { Driver } from '../../src/negotiation/job.js';
import { EventLoopDriver } from '../../src/negotiation/event-loop/event-loop-driver.js';
import { errno } from '../../src/os/errno.js';
import { loadNative, type Native } from '../../src/os/native.js';
import { closed, startSystem } from '../helpers/system.js';
import { testWhere } from '../helpers/test-where.js';
import { connectionOf, failureOf, handshakeJob, openDriver, run, workerDriver } from './drivers-kit.js';

const native = loadNative();
const nativeTest = testWhere(native !== undefined, 'the C library');

/** A system whose first send of a request takes no more than `result` says. */
function nativeSending(result: number): Native {
  if (native === undefined) throw new Error('no C library here');
  const { polling, system } = native;
  const send = (descriptor: number, bytes: Uint8Array): number =>
    result > 0 ? system.send(descriptor, bytes.subarray(0, result)) : result;
  return { polling, system: { ...system, send } };
}

const DRIVERS: ReadonlyMap<string, (calls: Native) => Driver> = new Map<string, (calls: Native) => Driver>([
  ['event-loop driver', (calls) => new EventLoopDriver(systemClock, calls)],
  ['worker driver', (calls) => workerDriver(calls)],
]);

for (const [name, create] of DRIVERS) {
  for (const [what, result] of [
    ['only a part', 3],
    ['nothing yet', -(errno['EAGAIN'] ?? 0)],
  ] as const) {
    nativeTest(
      `${name}: a Hello of which the system takes ${what} follows on the same connection (V-31)`,
      async (t) => {
        const { broker } = await startSystem(t);
        const driver = openDriver(t, () => create(nativeSending(result)));
        await closed(connectionOf(await run(driver, handshakeJob(broker.endpoint))).socket);
        t.is(broker.helloCount, 1);
        t.is(broker.earlyHangUps, 0);
      },
    );
  }
}

nativeTest('event-loop driver: a send that fails ends like a broker that hung up (C-39)', async (t) => {
  const { broker } = await startSystem(t);
  broker.behaviour = { kind: 'silent' };
  const driver = openDriver(t, () => new EventLoopDriver(systemClock, nativeSending(-(errno['EPIPE'] ?? 0))));
  const failure = failureOf(await run(driver, handshakeJob(broker.endpoint)));
  t.like(failure, { code: 'UNEXPECTED_EOF', system: { code: 'EPIPE', syscall: 'send' } });
});
