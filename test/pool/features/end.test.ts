import { fakePool, settled, type FakePool } from '../../helpers/fake-pool.js';
import { failureOf } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';

/** A pool with one lease out, one caller waiting and one connect under way. */
async function busy(fake: FakePool) {
  const acquiring = fake.pool.acquire();
  await fake.connect();
  const lease = await acquiring;
  const waiting = failureOf(fake.pool.acquire());
  return { lease, waiting };
}

const orders: Readonly<Record<string, (fake: FakePool) => Promise<void>[]>> = {
  'close, close': ({ pool }) => [pool.close({ timeoutMs: 100 }), pool.close()],
  'destroy, destroy': ({ pool }) => [pool.destroy(), pool.destroy()],
  'close, destroy': ({ pool }) => [pool.close(), pool.destroy()],
  'destroy, close': ({ pool }) => [pool.destroy(), pool.close()],
  'close, destroy, close, await using': ({ pool }) => [
    pool.close(),
    pool.destroy(),
    pool.close(),
    pool[Symbol.asyncDispose](),
  ],
};

for (const [order, end] of Object.entries(orders)) {
  test(`${order}: the pool ends once, and leaves no connection, waiter, timer or job`, async (t) => {
    const fake = fakePool(t, { max: 2 });
    const { pool, clock, driver, pass } = fake;
    let closed = 0;
    pool.on('closed', () => (closed += 1));
    const { lease, waiting } = await busy(fake);
    const ends = end(fake);
    await pass(100);
    await Promise.all(ends);
    t.is((await waiting).code, 'POOL_CLOSED');
    t.notThrows(() => lease.release(), 'a lease may come back late');
    t.like(pool.stats(), { total: 0, connecting: 0, waiting: 0 });
    t.deepEqual([closed, clock.pending, driver.pending.size], [1, 0, 0]);
    t.is((await failureOf(pool.acquire())).code, 'POOL_CLOSED');
    t.is((await failureOf(pool.warm())).code, 'POOL_CLOSED');
    t.throws(() => pool.tryAcquire(), { code: 'POOL_CLOSED' });
    t.notThrows(() => pool.clear());
  });
}

test('a lease whose socket was never read can be released in the turn of destroy', async (t) => {
  const { pool, connect } = fakePool(t);
  const acquiring = pool.acquire();
  await connect();
  const lease = await acquiring;
  void pool.destroy();
  t.notThrows(() => lease.release());
  t.like(pool.stats(), { total: 0, closedByReason: { poolClosed: 1 } });
});

test('a connect that succeeds while the pool is destroyed leaves no open socket', async (t) => {
  const { pool, connect } = fakePool(t);
  const failing = failureOf(pool.acquire());
  const connecting = connect();
  const ending = pool.destroy();
  const socket = await connecting;
  await ending;
  t.is((await failing).code, 'POOL_CLOSED');
  t.true(socket.destroyed);
});

test('close waits for a lease, for timeoutMs at most', async (t) => {
  const fake = fakePool(t);
  const { pool, connect, pass } = fake;
  const acquiring = pool.acquire();
  await connect();
  const lease = await acquiring;
  let ended = false;
  const closing = pool.close({ timeoutMs: 1_000 }).then(() => (ended = true));
  await pass(999);
  t.false(ended);
  await pass(1);
  await closing;
  t.like(pool.stats(), { total: 0, closedByReason: { poolClosed: 1 } });
  lease.destroy();
});

test('close ends as soon as the connect fails that the last callers wait for', async (t) => {
  const { pool, fail } = fakePool(t);
  const waiting = failureOf(pool.acquire());
  let hasClosed = false;
  void pool.close({ timeoutMs: 60_000 }).then(() => (hasClosed = true));
  await settled();
  t.false(hasClosed);
  await fail();
  t.is((await waiting).code, 'BROKER_CONNECT');
  await settled();
  t.true(hasClosed);
});

test('a pool that was never used ends at once', async (t) => {
  const { pool, clock } = fakePool(t, { min: 3 });
  await pool.close();
  await settled();
  t.is(clock.pending, 0);
  t.like(pool.stats(), { total: 0, connecting: 0, created: 0 });
});

test('close rejects with INVALID_ARGUMENT for a negative timeoutMs, and the pool stays open', async (t) => {
  const { pool } = fakePool(t);
  const error = await failureOf(pool.close({ timeoutMs: -1 }));
  t.is(error.code, 'INVALID_ARGUMENT');
  t.regex(error.message, /timeoutMs/);
  t.is(pool.tryAcquire(), undefined);
});

test('a later close with a shorter timeoutMs shortens the wait, one with a longer does not lengthen it', async (t) => {
  const { pool, clock, connect, pass } = fakePool(t);
  const acquiring = pool.acquire();
  await connect();
  await acquiring;
  const first = pool.close({ timeoutMs: 1_000 });
  const second = pool.close({ timeoutMs: 100 });
  const third = pool.close({ timeoutMs: 10_000 });
  await pass(99);
  t.is(pool.stats().leased, 1);
  await pass(1);
  t.is(pool.stats().leased, 0);
  await Promise.all([first, second, third]);
  t.is(clock.pending, 0, 'no timer of the longer times is left');
});

test('each call of close resolves when the pool has closed, not before', async (t) => {
  const { pool, connect } = fakePool(t);
  const acquiring = pool.acquire();
  await connect();
  const lease = await acquiring;
  const ended: string[] = [];
  const ends = [pool.close().then(() => ended.push('first')), pool.close().then(() => ended.push('second'))];
  await settled();
  t.deepEqual(ended, []);
  lease.release();
  await Promise.all(ends);
  t.is(ended.length, 2);
});

test('clear() after close() emits no event', async (t) => {
  const { pool } = fakePool(t);
  const log: string[] = [];
  for (const name of ['cleared', 'closed'] as const) pool.on(name, () => log.push(name));
  await pool.close();
  pool.clear();
  pool.clear({ serviceName: 'other' });
  t.deepEqual(log, ['closed']);
});

test('close keeps the process alive until the pool is quiet', async (t) => {
  const { pool, clock, connect } = fakePool(t);
  const acquiring = pool.acquire();
  await connect();
  const lease = await acquiring;
  const closing = pool.close();
  t.true(clock.keepsAlive);
  lease.release();
  await closing;
  t.false(clock.keepsAlive);
});

test('closed tells the time since the first call of close or destroy', async (t) => {
  for (const isDestroyed of [false, true]) {
    const { pool, clock, connect, pass } = fakePool(t);
    let durationMs = -1;
    pool.on('closed', (event) => (durationMs = event.durationMs));
    const acquiring = pool.acquire();
    await connect();
    await acquiring;
    clock.advance(500);
    const ends = [pool.close({ timeoutMs: 1_000 })];
    clock.advance(30);
    ends.push(pool.close({ timeoutMs: 2_000 }));
    if (isDestroyed) ends.push(pool.destroy());
    else await pass(970);
    await Promise.all(ends);
    t.is(durationMs, isDestroyed ? 30 : 1_000);
  }
  const { pool, clock } = fakePool(t);
  let durationMs = -1;
  pool.on('closed', (event) => (durationMs = event.durationMs));
  clock.advance(500);
  await pool.destroy();
  t.is(durationMs, 0);
});

test('close serves the callers that wait with the connections that come back', async (t) => {
  const { pool, driver, connect } = fakePool(t, { max: 1 });
  const acquiring = pool.acquire();
  await connect();
  const lease = await acquiring;
  const { connectionId } = lease;
  const waiting = pool.acquire();
  const closing = pool.close();
  lease.release();
  const next = await waiting;
  t.is(next.connectionId, connectionId);
  t.is(driver.pending.size, 0);
  next.release();
  await closing;
});

test('close waits for a lease beside a detached socket that is in use', async (t) => {
  const { pool, connect } = fakePool(t, { max: 2 });
  const acquires = [pool.acquire(), pool.acquire()];
  await connect();
  await connect();
  const [first, second] = await Promise.all(acquires);
  const socket = first?.detach();
  let hasClosed = false;
  const closing = pool.close().then(() => (hasClosed = true));
  await settled();
  t.false(hasClosed);
  t.like(pool.stats(), { leased: 1, detached: 1 });
  second?.release();
  socket?.destroy();
  await closing;
  t.true(hasClosed);
});
