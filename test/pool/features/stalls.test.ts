/**
 * Stalls of the event loop and of the whole process: bytes that arrived in time count, however late the loop
 * reads them.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  BrokerPool,
  connectSharedPool,
  connectToBackend,
  sendAdminRequest,
  type BrokerPoolOptions,
} from '../../../src/index.js';
import { systemClock } from '../../../src/clock.js';
import type { Driver } from '../../../src/negotiation/job.js';
import { EventLoopDriver } from '../../../src/negotiation/event-loop/event-loop-driver.js';
import { loadNative } from '../../../src/os/native.js';
import { pauseProcess } from '../../../src/testing/pause-process.js';
import { lastingSystem } from '../../helpers/lasting-system.js';
import { scaled } from '../../helpers/patience.js';
import { openPool } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';
import { stall } from '../../helpers/stall.js';
import { echo, startSystem } from '../../helpers/system.js';
import { onWindows, SHARING, testWhere } from '../../helpers/test-where.js';
import { workerDriver } from '../../negotiation/drivers-kit.js';
import { canShare } from '../../sharing/kit.js';

/** The wait thread does not stall, so that the other processes must answer it within this. */
const LIMIT_MS = scaled(200);
/** Long enough for the other processes to answer meanwhile. */
const STALL_MS = LIMIT_MS + scaled(200);

const native = loadNative();
const serial = testWhere(!onWindows, 'SIGSTOP', test.serial);

/** A broker and a backend that go on while this process stands still. */
const systemOf = lastingSystem();

const DRIVERS: Readonly<Record<string, (() => Driver) | undefined>> = {
  'the event-loop driver': () => new EventLoopDriver(systemClock, native),
  'the event-loop driver without the C library': () => new EventLoopDriver(systemClock, undefined),
  'the worker driver': native && (() => workerDriver(native)),
};

for (const [name, createDriver] of Object.entries(DRIVERS)) {
  if (createDriver === undefined) continue;
  serial(`${name}: a reply to a Hello that arrives in a stall is no timeout`, async (t) => {
    const { target, broker } = await systemOf(t);
    const driver = createDriver();
    const options: BrokerPoolOptions = {
      ...target,
      roundTripTimeoutMs: LIMIT_MS,
      acquireTimeoutMs: LIMIT_MS,
      endpointCache: false,
    };
    const pool = new BrokerPool(options, undefined, () => driver);
    t.teardown(() => pool.destroy());
    await driver.warm();
    for (let count = 0; count < 3; count++) {
      broker.pause();
      const acquiring = pool.acquire();
      // Without the C library the Hello follows the connect.
      for (let turns = 0; turns < 5; turns++) await turn();
      broker.resume();
      stall(STALL_MS);
      const lease = await acquiring;
      t.is(await echo(lease.socket, 'late'), 'late');
      lease.destroy();
    }
  });
}

serial('connections whose answers to validate arrive in a stall stay open', async (t) => {
  const { target } = await systemOf(t);
  let asked = 0;
  const pool = openPool(t, target, {
    max: 5,
    validateAfterIdleMs: 0,
    validateTimeoutMs: LIMIT_MS,
    acquireTimeoutMs: LIMIT_MS,
    async validate({ socket }) {
      asked += 1;
      if (asked === 5) setImmediate(() => stall(STALL_MS));
      return (await echo(socket, 'ping')) === 'ping';
    },
  });
  for (const lease of await Promise.all(Array.from({ length: 5 }, () => pool.acquire({ timeoutMs: 10_000 }))))
    lease.release();
  // Without those by Hello-skip that were asked about when they were new.
  asked = 0;
  const leases = await Promise.all(Array.from({ length: 5 }, () => pool.acquire()));
  t.is(asked, 5);
  t.is(pool.stats().created, 5);
  t.is(pool.stats().closedByReason.invalid, 0);
  for (const lease of leases) lease.release();
});

serial(
  'a waiter is served by a connection whose holder ends with a reply that arrives in a stall',
  async (t) => {
    const { target } = await systemOf(t);
    const pool = openPool(t, target, { max: 1 });
    const lease = await pool.acquire();
    lease.socket.once('data', () => lease.release());
    lease.socket.write('reply');
    const waiting = pool.acquire({ timeoutMs: LIMIT_MS });
    stall(STALL_MS);
    (await waiting).release();
    t.is(pool.stats().timeouts, 0);
  },
);

serial('a pool that closes gets the lease back whose reply arrives in a stall', async (t) => {
  const { target } = await systemOf(t);
  const pool = openPool(t, target);
  const lease = await pool.acquire();
  let replied = false;
  lease.socket.once('data', () => {
    replied = true;
    lease.release();
  });
  lease.socket.write('reply');
  const closing = pool.close({ timeoutMs: LIMIT_MS });
  stall(STALL_MS);
  await closing;
  t.true(replied);
});

serial('one-shot connects and admin requests get the replies that arrive in a stall', async (t) => {
  const { target } = await systemOf(t);
  const connecting = connectToBackend({ ...target, roundTripTimeoutMs: LIMIT_MS });
  stall(STALL_MS);
  (await connecting).socket.destroy();
  const asking = sendAdminRequest({
    brokerEndpoint: target.brokerEndpoint,
    verb: 'HEALTHZ',
    timeoutMs: LIMIT_MS,
  });
  stall(STALL_MS);
  t.is((await asking).body, 'ok\n');
});

testWhere(
  canShare,
  SHARING,
  serial,
)('a shared pool takes the lease that is offered in a stall', async (t) => {
  const { target } = await systemOf(t);
  const pool = openPool(t, target);
  await pool.use(() => {});
  const shared = await connectSharedPool(pool.share());
  const acquiring = shared.acquire({ timeoutMs: LIMIT_MS });
  stall(STALL_MS);
  const lease = await acquiring;
  t.is(await echo(lease.socket, 'late'), 'late');
  lease.release();
  await shared.close();
});

const STOPPED_PROGRAM = fileURLToPath(new URL('stopped-program.js', import.meta.url));

serial(
  'a process that is stopped while replies arrive has its connections when it goes on (SIGSTOP, SIGCONT)',
  async (t) => {
    const connects = 6;
    // All Hellos must have arrived before.
    const limitMs = scaled(600);
    const { target, broker } = await startSystem(t);
    const child = fork(STOPPED_PROGRAM, [JSON.stringify(target), String(connects), String(limitMs)]);
    t.teardown(() => void child.kill('SIGKILL'));
    const exited = once(child, 'exit');
    await once(child, 'message');
    broker.behaviour = { kind: 'silent' };
    const outcomes = once(child, 'message');
    child.send('go');
    await broker.until(() => broker.helloCount === 1 + connects);
    pauseProcess(child);
    broker.releaseSilent();
    await sleep(limitMs + 200);
    child.kill('SIGCONT');
    t.deepEqual(
      (await outcomes)[0],
      Array.from({ length: connects }, () => 'ready'),
    );
    await exited;
  },
);
