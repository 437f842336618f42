import type { Lease } from '../../../src/index.js';
import { CAPABILITY_HANDLE_PASSING } from '../../../src/wire/messages.js';
import { FAKE_BACKEND } from '../../helpers/endpoints.js';
import { connected, FakeSocket } from '../../helpers/fake-peers.js';
import { fakePool, settled } from '../../helpers/fake-pool.js';
import test from '../../helpers/sanitary.js';

test('one Hello goes ahead for a cold target, also where no endpoint is remembered (X-23)', async (t) => {
  const { pool, driver, connect } = fakePool(t, { max: 3, maxConnecting: 3, endpointCache: false });
  const acquires = [pool.acquire(), pool.acquire(), pool.acquire()];
  await settled();
  t.is(driver.pending.size, 1);
  while (driver.pending.size > 0) await connect();
  const leases: Lease[] = await Promise.all(acquires);
  for (const lease of leases) lease.release();
});

for (const [title, failures] of [
  ['a connection', 0],
  ['a connection of a second attempt', 1],
] as const)
  test(`${title} that is ready in the moment in which the pool is destroyed is closed, and its token overwritten`, async (t) => {
    const { pool, driver, fail, pass } = fakePool(t);
    const acquiring = pool.acquire();
    await settled();
    for (let failure = 0; failure < failures; failure += 1) {
      await fail({ code: 'BACKEND_CONNECT', message: 'the backend is gone' });
      await pass(1_000);
    }
    t.is(driver.pending.size, 1);
    const socket = new FakeSocket();
    const token = Uint8Array.from({ length: 16 }, () => 7);
    for (const job of driver.pending) job.settle(connected(socket, FAKE_BACKEND, token));
    const destroyed = pool.destroy();
    await t.throwsAsync(acquiring, { code: 'POOL_CLOSED' });
    await destroyed;
    t.true(socket.destroyed);
    t.deepEqual(token, new Uint8Array(16));
    t.is(pool.stats().total, 0);
  });

test('auto compares how long the negotiations of each route take, however late they begin', async (t) => {
  const { pool, driver, clock } = fakePool(t, { adoptHandedOffConnection: 'auto' });
  const adopts: boolean[] = [];
  for (let round = 0; round < 7; round += 1) {
    const acquiring = pool.acquire();
    await settled();
    for (const pending of driver.pending) {
      const { job } = pending;
      const adopt = job.kind === 'handshake' && job.adoptHandedOffConnection;
      adopts.push(adopt);
      clock.advance(adopt ? 100 : 10);
      const outcome = connected(new FakeSocket(), FAKE_BACKEND, new Uint8Array(16).fill(1));
      if (outcome.kind !== 'connected') return t.fail();
      const negotiated = { ...outcome.negotiated, serverCapabilities: CAPABILITY_HANDLE_PASSING };
      pending.settle({ ...outcome, negotiated, route: adopt ? 'handle-passed' : 'broker-negotiated' });
    }
    (await acquiring).destroy();
  }
  t.deepEqual(adopts, [true, true, true, false, false, false, false]);
});

for (const [what, options, hellos] of [
  ['one Hello goes ahead where its answer is remembered', { endpointCache: { max: 10 } }, 1],
  ['each connect sends a Hello where no answer is remembered', { endpointCache: false }, 3],
  [
    'each connect sends a Hello where none may be skipped',
    { endpointCache: { max: 10 }, selfVersion: '2.0.0' },
    3,
  ],
] as const)
  test(`${what}, once a target is warm (X-23, C-11)`, async (t) => {
    const { pool, driver, connect } = fakePool(t, { max: 4, maxConnecting: 4, ...options });
    const first = pool.acquire();
    await settled();
    await connect();
    (await first).destroy();
    pool.clear();
    const acquires = [pool.acquire(), pool.acquire(), pool.acquire()];
    await settled();
    t.is(driver.pending.size, hellos);
    for (const acquiring of acquires) acquiring.catch(() => {});
  });

test('more connects are tried again at once than Node has listeners of one signal without a warning', async (t) => {
  const { pool, driver, connect, fail, pass } = fakePool(t, { max: 12, maxConnecting: 12 });
  const warnings: string[] = [];
  const onWarning = ({ name }: Error): void => void warnings.push(name);
  process.on('warning', onWarning);
  t.teardown(() => process.off('warning', onWarning));
  const acquires = Array.from({ length: 12 }, () => pool.acquire());
  await settled();
  await fail({ code: 'BACKEND_CONNECT', message: 'the backend is gone' });
  await pass(1_000);
  while (driver.pending.size > 0) await connect();
  for (const lease of await Promise.all(acquires)) lease.release();
  t.true(pool.stats().retries > 10);
  await settled();
  t.deepEqual(warnings, []);
});
