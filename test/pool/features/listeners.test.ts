/** Listeners of events may call any method of the pool, during the action that the event reports. */
import { connectToBackend, type Lease, type PoolEventName } from '../../../src/index.js';
import { fakePool, settled } from '../../helpers/fake-pool.js';
import { until } from '../../helpers/leftovers.js';
import { failureOf, openPool } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';
import { startSystem } from '../../helpers/system.js';

test('a listener of connectionClosed may call close(): both promises settle', async (t) => {
  const { pool, connect } = fakePool(t);
  const acquiring = pool.acquire();
  await connect();
  (await acquiring).release();
  const closings: Promise<void>[] = [];
  pool.on('connectionClosed', () => closings.push(pool.close()));
  await pool.close({ timeoutMs: 500 });
  await Promise.all(closings);
  t.is(closings.length, 1);
});

test('a listener of connectionReady that acquires gets no place beyond max (G-10)', async (t) => {
  const { pool, connect, driver } = fakePool(t, { max: 1 });
  const acquired: Promise<Lease>[] = [pool.acquire()];
  pool.on('connectionReady', () => acquired.push(pool.acquire()));
  await connect();
  t.is(driver.pending.size, 0, 'no connect is under way beside the only connection');
  (await acquired[0])?.release();
  (await acquired[1])?.release();
  t.like(pool.stats(), { total: 1, createdByRoute: { 'broker-negotiated': 1 } });
});

for (const name of [
  'connectionCreated',
  'connectionReady',
  'connectionClosed',
  'acquireStarted',
  'acquired',
  'released',
] as const) {
  test(`a listener of ${name} that destroys the pool leaves nothing behind`, async (t) => {
    const { broker, backend, target } = await startSystem(t, { backend: { handoff: 'none' } });
    const pool = openPool(t, target, { adoptHandedOffConnection: true, maxUses: 1 });
    const log: PoolEventName[] = [];
    for (const each of ['acquireStarted', 'acquired', 'acquireFailed', 'released'] as const)
      pool.on(each, () => log.push(each));
    let ended: Promise<void> | undefined;
    pool.on(name, () => void (ended ??= pool.destroy()));
    await pool.use(() => {}).catch(() => {});
    await ended;
    t.not(ended, undefined);
    t.is(log.filter((each) => each === 'acquireStarted').length, 1);
    t.is(
      log.filter((each) => each === 'acquired' || each === 'acquireFailed').length,
      1,
      'each acquire ends once',
    );
    t.is(log.filter((each) => each === 'released').length, log.filter((each) => each === 'acquired').length);
    t.true(await until(() => broker.openConnections === 0 && backend.connections === 0));
  });
}

test('a pool that a listener of connectionCreated destroys sends no Hello', async (t) => {
  const { broker, target } = await startSystem(t);
  const pool = openPool(t, target);
  let ended: Promise<void> | undefined;
  pool.on('connectionCreated', () => void (ended ??= pool.destroy()));
  t.is((await failureOf(pool.acquire())).code, 'POOL_CLOSED');
  await ended;
  // The broker reads requests in their order.
  (await connectToBackend(target)).socket.destroy();
  t.is(broker.helloCount, 1, 'that of the single connect');
});

test('a pool that a listener of acquireStarted destroys fails the acquire with POOL_CLOSED', async (t) => {
  for (const acquire of ['acquire', 'tryAcquire'] as const) {
    const { pool, connect } = fakePool(t);
    const acquiring = pool.acquire();
    await connect();
    (await acquiring).release();
    const log: string[] = [];
    for (const name of ['acquired', 'acquireFailed', 'released'] as const)
      pool.on(name, () => log.push(name));
    pool.on('acquireStarted', () => void pool.destroy());
    if (acquire === 'acquire') t.is((await failureOf(pool.acquire())).code, 'POOL_CLOSED');
    else t.throws(() => pool.tryAcquire(), { code: 'POOL_CLOSED' });
    t.deepEqual(log, ['acquireFailed']);
  }
});

test('a signal that a listener of acquireStarted aborts fails the acquire with ABORTED', async (t) => {
  const { pool } = fakePool(t, { max: 1 });
  const controller = new AbortController();
  pool.on('acquireStarted', () => controller.abort());
  t.is((await failureOf(pool.acquire({ signal: controller.signal }))).code, 'ABORTED');
  await settled();
  t.is(pool.stats().waiting, 0);
});
