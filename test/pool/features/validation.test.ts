import { once } from 'node:events';
import type { Validate } from '../../../src/pool/health-check.js';
import { fakePool, settled, type FakePool } from '../../helpers/fake-pool.js';
import { failureOf, openPool } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';
import { echo, read, startSystem } from '../../helpers/system.js';

async function idle({ pool, connect, pass }: FakePool): Promise<void> {
  const acquiring = pool.acquire();
  await connect();
  (await acquiring).release();
  await pass(1);
}

test('a connection that was used just now is leased without asking, an older one is asked about first', async (t) => {
  let asked = 0;
  const fake = fakePool(t, { validate: () => ++asked > 0, validateAfterIdleMs: 500 });
  const { pool, pass } = fake;
  await idle(fake);
  (await pool.acquire()).release();
  t.is(asked, 0);
  await pass(500);
  t.is(pool.tryAcquire(), undefined, 'it would have to wait for the answer');
  (await pool.acquire()).release();
  t.is(asked, 1);
});

test('a ping over the wire finds out that a backend no longer answers', async (t) => {
  let mute = false;
  const system = await startSystem(t, {
    backend: { onConnection: (socket) => socket.on('data', (chunk) => mute || socket.write(chunk)).on('end', () => socket.end()) },
  });
  const validate: Validate = async ({ socket }) => (await echo(socket, 'ping')) === 'ping';
  const pool = openPool(t, system.target, { validate, validateAfterIdleMs: 0, roundTripTimeoutMs: 500 });
  const first = await pool.use(({ connectionId }) => connectionId);
  t.is(await pool.use(({ connectionId }) => connectionId), first);
  mute = true;
  const second = await pool.use(({ connectionId }) => connectionId);
  t.not(second, first);
  t.is(pool.stats().closedByReason.invalid, 1);
});

const bad: Readonly<Record<string, Validate>> = {
  throws: () => {
    throw new Error('mistake');
  },
  rejects: () => Promise.reject(new Error('mistake')),
  'says no': () => false,
};

for (const [what, validate] of Object.entries(bad)) {
  test(`a hook that ${what} costs its connection, and the caller gets another`, async (t) => {
    const fake = fakePool(t, { validate, validateAfterIdleMs: 0 });
    await idle(fake);
    const acquiring = fake.pool.acquire();
    await settled();
    await fake.connect();
    t.is((await acquiring).connectionId, 2);
    t.like(fake.pool.stats(), { total: 1, closedByReason: { invalid: 1 } });
  });
}

test('a hook that hangs costs a round trip, and holds nobody up who can be served otherwise', async (t) => {
  const fake = fakePool(t, { max: 2, validate: () => new Promise(() => {}), validateAfterIdleMs: 0, roundTripTimeoutMs: 1_000 });
  const { pool, connect, pass } = fake;
  await idle(fake);
  const first = pool.acquire();
  const second = pool.acquire();
  await connect();
  t.is((await first).connectionId, 2, 'who came first gets what is there first');
  await pass(1_000);
  t.is(pool.stats().closedByReason.invalid, 1);
  await connect();
  t.is((await second).connectionId, 3);
});

test('a hook that leaves bytes behind costs its connection as dirty', async (t) => {
  const system = await startSystem(t);
  const validate: Validate = async ({ socket }) => {
    socket.write('ping and more');
    await once(socket, 'readable');
    await read(socket, 4);
    return true;
  };
  const pool = openPool(t, system.target, { validate, validateAfterIdleMs: 0 });
  await pool.use(() => {});
  t.is(await pool.use(({ socket }) => echo(socket, 'mine')), 'mine');
  t.is(pool.stats().closedByReason.dirty, 1);
});

test('a keepalive asks about every idle connection, and does not make spare ones look used', async (t) => {
  const asked: string[] = [];
  const fake = fakePool(t, { max: 3, validate: () => asked.push('asked') > 0, keepaliveMs: 100, idleTimeoutMs: 350 });
  const { pool, connect, pass, driver } = fake;
  const acquiring = [pool.acquire(), pool.acquire(), pool.acquire()];
  while (driver.pending.size > 0) await connect();
  for (const lease of await Promise.all(acquiring)) lease.release();
  await pass(0);
  for (let round = 1; round <= 3; round++) {
    await pass(100);
    t.is(asked.length, 3 * round);
  }
  await pass(50);
  t.like(pool.stats(), { total: 0, closedByReason: { idle: 3 } });
});

test('a keepalive that fails closes its connection, and min opens another', async (t) => {
  let healthy = true;
  const fake = fakePool(t, { min: 1, validate: () => healthy, keepaliveMs: 100 });
  const { pool, connect, pass } = fake;
  await settled();
  await connect();
  healthy = false;
  await pass(100);
  await settled();
  await connect();
  t.like(pool.stats(), { total: 1, created: 2, closedByReason: { invalid: 1 } });
});

test('while a validation is under way its connection counts, and is neither idle nor leased', async (t) => {
  let answer = (_healthy: boolean): void => {};
  const fake = fakePool(t, { max: 1, validate: () => new Promise((resolve) => (answer = resolve)), validateAfterIdleMs: 0 });
  await idle(fake);
  const acquiring = fake.pool.acquire();
  t.like(fake.pool.stats(), { total: 1, idle: 0, leased: 0, waiting: 1, connecting: 0 });
  answer(true);
  (await acquiring).release();
  t.like(fake.pool.stats(), { total: 1, idle: 1 });
});

test('a connection that was validated for somebody who is gone rests again: it keeps no finished program alive (G-09)', async (t) => {
  let answer = (_good: boolean): void => {};
  const fake = fakePool(t, { validateAfterIdleMs: 0, validate: () => new Promise((resolve) => (answer = resolve)) });
  const { pool, connect, pass } = fake;
  const acquiring = pool.acquire();
  const socket = await connect();
  (await acquiring).release();
  await pass(1);
  let referenced = true;
  socket.ref = () => ((referenced = true), socket);
  socket.unref = () => ((referenced = false), socket);
  const givenUp = failureOf(pool.acquire({ timeoutMs: 20 }));
  await pass(50);
  t.is((await givenUp).code, 'TIMEOUT');
  answer(true);
  await settled();
  t.false(referenced);
  t.is(pool.stats().idle, 1);
});
