import type { Lease } from '../../src/index.js';
import { heldBy } from '../../src/pool/lease.js';
import { fakePool, settled } from '../helpers/fake-pool.js';
import test from '../helpers/sanitary.js';

test('callers that come while the pump opens a spare connection get connects of their own in the same run', async (t) => {
  const { pool, connect } = fakePool(t, { min: 1, max: 3 });
  await settled();
  await connect();
  const lease = await pool.acquire();
  const acquires: Promise<Lease>[] = [];
  pool.once('connectionCreated', () => {
    for (let caller = 0; caller < 2; caller += 1) acquires.push(pool.acquire());
  });
  lease.destroy();
  t.like(pool.stats(), { waiting: 2, connecting: 2 }, 'the spare connection is for one of them');
  await connect();
  await connect();
  for (const other of await Promise.all(acquires)) other.release();
});

test('a target whose last missing connection is under way asks no other target for a place', async (t) => {
  const { pool, connect } = fakePool(t, { max: 2, maxTotal: 2 });
  const acquiring = pool.acquire();
  await connect();
  const lease = await acquiring;
  const leaver = new AbortController();
  const other = { serviceName: 'other' };
  const left = pool.acquire({ ...other, signal: leaver.signal });
  const stays = pool.acquire(other);
  leaver.abort();
  await t.throwsAsync(left, { code: 'ABORTED' });
  t.like(pool.stats(), { waiting: 1, connecting: 1 });
  lease.release();
  await settled();
  t.like(
    pool.stats(),
    { idle: 1, connecting: 1 },
    'the idle connection is not in the way of the other target',
  );
  await connect();
  (await stays).release();
});

test('a connect that fails leaves the callers to another one that is under way', async (t) => {
  const { pool, driver, connect, fail } = fakePool(t, { max: 2 });
  const before = pool.acquire();
  await connect();
  (await before).destroy();
  const acquires = [pool.acquire(), pool.acquire()];
  await settled();
  t.is(driver.pending.size, 2);
  await fail();
  t.like(pool.stats(), { waiting: 2, connecting: 1 });
  await connect();
  for (const acquiring of acquires) (await acquiring).release();
});

test('a caller waits for those of others only beyond the connects that are under way', async (t) => {
  const { pool, connect } = fakePool(t, { max: 2 });
  const acquiring = pool.acquire();
  await connect();
  const lease = await acquiring;
  const owner = heldBy(lease)?.owner;
  const waiting = [pool.acquire()];
  t.is(owner?.unserved, 0);
  waiting.push(pool.acquire());
  t.is(owner?.unserved, 1);
  lease.release();
  await connect();
  for (const served of await Promise.all(waiting)) served.release();
});

test('a caller has the idle connection validated beside a detached one that takes the last place', async (t) => {
  const asked: number[] = [];
  const { pool, connect } = fakePool(t, {
    max: 2,
    validateAfterIdleMs: 0,
    validate: () => asked.push(1) > 0,
  });
  const acquires = [pool.acquire(), pool.acquire()];
  await connect();
  await connect();
  const [first, second] = await Promise.all(acquires);
  const socket = first?.detach();
  second?.release();
  const acquiring = pool.acquire();
  await settled();
  t.like(pool.stats(), { detached: 1, leased: 1, waiting: 0 });
  t.is(asked.length, 1);
  (await acquiring).release();
  socket?.destroy();
});

test('a caller does not rely on the validation that began for a caller that has left', async (t) => {
  const answers: ((isGood: boolean) => void)[] = [];
  const validate = (): Promise<boolean> => new Promise((resolve) => answers.push(resolve));
  const { pool, connect } = fakePool(t, { max: 3, validateAfterIdleMs: 0, validate });
  const before = [pool.acquire(), pool.acquire()];
  await connect();
  await connect();
  for (const lease of await Promise.all(before)) lease.release();
  const leaver = new AbortController();
  const left = pool.acquire({ signal: leaver.signal });
  const stays = pool.acquire();
  t.is(answers.length, 2);
  leaver.abort();
  await t.throwsAsync(left, { code: 'ABORTED' });
  answers[1]?.(false);
  await settled();
  t.like(pool.stats(), { waiting: 1, connecting: 1 });
  await connect();
  (await stays).release();
  answers[0]?.(true);
});

test('no more connects than maxConnecting run at once', async (t) => {
  const { pool, driver, connect } = fakePool(t, { max: 5, maxConnecting: 2 });
  const acquires = Array.from({ length: 4 }, () => pool.acquire());
  const atOnce: number[] = [];
  for (; driver.pending.size > 0; await connect()) atOnce.push(pool.stats().connecting);
  t.deepEqual(atOnce, [2, 2, 2, 1]);
  for (const lease of await Promise.all(acquires)) lease.release();
});

test('a connection keeps the process alive while a caller has it, and not while it is idle', async (t) => {
  const { pool, connect, pass } = fakePool(t, { max: 1 });
  const acquiring = pool.acquire();
  const socket = await connect();
  const first = await acquiring;
  t.true(socket.keepsAlive);
  first.release();
  await pass(1);
  t.false(socket.keepsAlive);
  const second = await pool.acquire();
  t.true(socket.keepsAlive);
  const waiting = pool.acquire();
  second.socket.unref();
  t.false(socket.keepsAlive);
  second.release();
  const third = await waiting;
  t.true(socket.keepsAlive, 'the next caller has not unreferenced it');
  third.release();
  await pass(1);
  t.false(socket.keepsAlive);
});
