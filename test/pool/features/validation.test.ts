import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { BrokerPoolOptions, ConnectionClosedEvent } from '../../../src/index.js';
import type { Validate } from '../../../src/pool/health-check.js';
import { fakePool, settled, type FakePool } from '../../helpers/fake-pool.js';
import { fakeBehind } from '../../helpers/fake-peers.js';
import { scaled } from '../../helpers/patience.js';
import { failureOf, openPool } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';
import { echo, read, startSystem } from '../../helpers/system.js';

async function idle({ pool, connect, pass }: FakePool): Promise<void> {
  const acquiring = pool.acquire();
  await connect();
  (await acquiring).release();
  await pass(1);
}

test('a connection is validated before a lease once it was idle for validateAfterIdleMs, not earlier', async (t) => {
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

test('with validateAfterIdleMs 0 the hook runs before every lease but the first', async (t) => {
  const { target } = await startSystem(t);
  let asked = 0;
  const pool = openPool(t, target, { max: 1, validateAfterIdleMs: 0, validate: () => ++asked > 0 });
  await pool.use(() => {});
  let leases = 0;
  for (const turns of [0, 1, 2, 3]) {
    for (let count = 0; count < 50; count++, leases++) {
      for (let passed = 0; passed < turns; passed++) await turn();
      t.is(pool.tryAcquire(), undefined);
      await pool.use(() => {});
    }
  }
  t.is(asked, leases);
});

test('a connection whose check ended in this very turn is asked about again', async (t) => {
  let asked = 0;
  const fake = fakePool(t, { validate: () => ++asked > 0, validateAfterIdleMs: 0 });
  const { pool } = fake;
  await idle(fake);
  // The time of the turn is read, and then goes on.
  t.is(pool.tryAcquire(), undefined);
  fake.clock.nowMs += 5;
  const aborter = new AbortController();
  const left = failureOf(pool.acquire({ signal: aborter.signal }));
  aborter.abort();
  await left;
  await settled();
  t.is(pool.tryAcquire(), undefined);
  t.is(asked, 1);
});

test('a ping over the wire replaces a connection whose backend no longer answers', async (t) => {
  let mute = false;
  const system = await startSystem(t, {
    backend: {
      onConnection: (socket) =>
        socket.on('data', (chunk) => mute || socket.write(chunk)).on('end', () => socket.end()),
    },
  });
  const validate: Validate = async ({ socket }) => (await echo(socket, 'ping')) === 'ping';
  // The pings before must be answered in this time, and the last one must not be.
  const validateTimeoutMs = scaled(1_500);
  const pool = openPool(t, system.target, {
    max: 1,
    validate,
    validateAfterIdleMs: 0,
    validateTimeoutMs,
    acquireTimeoutMs: 10 * validateTimeoutMs,
  });
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
  test(`a connection whose hook ${what} is closed as invalid, and the caller gets another`, async (t) => {
    const fake = fakePool(t, { validate, validateAfterIdleMs: 0 });
    await idle(fake);
    const acquiring = fake.pool.acquire();
    await settled();
    await fake.connect();
    t.is((await acquiring).connectionId, 2);
    t.like(fake.pool.stats(), { total: 1, closedByReason: { invalid: 1 } });
  });
}

test('connectionClosed carries the error of a hook that throws, and none for a hook that returns false', async (t) => {
  const mistake = new TypeError('a mistake in the hook');
  const answers: Validate[] = [() => Promise.reject(mistake), () => false];
  const fake = fakePool(t, {
    max: 1,
    validate: (connection) => answers.shift()?.(connection) ?? true,
    validateAfterIdleMs: 0,
  });
  const closed: ConnectionClosedEvent[] = [];
  fake.pool.on('connectionClosed', (event) => closed.push(event));
  for (let round = 0; round < 2; round++) {
    await idle(fake);
    const acquiring = failureOf(fake.pool.acquire({ timeoutMs: 1 }));
    await fake.pass(1);
    await acquiring;
  }
  t.like(closed, [
    {
      reason: 'invalid',
      wasReady: true,
      error: { code: 'VALIDATION_FAILED', cause: mistake, serviceName: 'demo' },
    },
    { reason: 'invalid', wasReady: true },
  ]);
  t.false('error' in (closed[1] ?? {}));
});

/** A pool of three idle connections, whose hook never answers for some of them. */
async function idleThree(
  t: ExecutionContext,
  hangsFor: readonly number[],
  options: BrokerPoolOptions = {},
): Promise<FakePool> {
  const sockets: unknown[] = [];
  const validate: Validate = ({ socket }) =>
    hangsFor.includes(sockets.indexOf(fakeBehind(socket)) + 1) ? new Promise(() => {}) : true;
  const fake = fakePool(t, { validate, validateAfterIdleMs: 0, ...options });
  const acquiring = [fake.pool.acquire(), fake.pool.acquire(), fake.pool.acquire()];
  while (fake.driver.pending.size > 0) sockets.push(await fake.connect());
  for (const lease of await Promise.all(acquiring)) lease.release();
  await fake.pass(1);
  return fake;
}

test('a hook that hangs holds up its caller for 100 ms, and later callers not at all', async (t) => {
  const { pool, pass } = await idleThree(t, [3]);
  const first = pool.acquire();
  await pass(99);
  t.like(pool.stats(), { idle: 2, waiting: 1 });
  await pass(1);
  t.is((await first).connectionId, 2);
  const second = await pool.acquire();
  t.is(second.connectionId, 1, 'without a wait');
  second.release();
  t.is((await pool.acquire()).connectionId, 1);
  t.is(pool.stats().created, 3);
});

test('the pool opens a new connection while the hook hangs for every idle one', async (t) => {
  const { pool, connect, driver, pass } = await idleThree(t, [1, 2, 3]);
  const acquiring = pool.acquire();
  for (let asked = 1; asked <= 3; asked++) {
    t.is(driver.pending.size, 0);
    await pass(100);
  }
  await connect();
  t.is((await acquiring).connectionId, 4);
});

test('a caller does not wait for a hanging check that began for a caller that has left', async (t) => {
  const { pool } = await idleThree(t, [3]);
  const abort = new AbortController();
  const first = failureOf(pool.acquire({ signal: abort.signal }));
  abort.abort();
  await first;
  t.is((await pool.acquire()).connectionId, 2);
});

test('a caller does not wait for a hanging check whose caller was served by a returned connection', async (t) => {
  const { pool } = await idleThree(t, [2]);
  const held = await pool.acquire();
  const first = pool.acquire();
  held.release();
  t.is((await first).connectionId, 3);
  t.is((await pool.acquire()).connectionId, 1);
});

test('each of many waiters relies on a check or a connect of its own', async (t) => {
  const { pool, driver } = await idleThree(t, [1, 2, 3], { maxConnecting: 10 });
  for (let count = 1; count <= 5; count++) void failureOf(pool.acquire());
  t.like(pool.stats(), { idle: 0, connecting: 2, waiting: 5 });
  t.is(driver.pending.size, 2);
});

test('a connection whose hook hangs is closed after validateTimeoutMs, whatever roundTripTimeoutMs is', async (t) => {
  const { pool, pass } = await idleThree(t, [3], {
    max: 3,
    validateTimeoutMs: 200,
    roundTripTimeoutMs: 60_000,
  });
  const acquiring = pool.acquire();
  await pass(199);
  (await acquiring).release();
  t.is(pool.stats().closedByReason.invalid, 0);
  await pass(1);
  t.is(pool.stats().closedByReason.invalid, 1);
});

// One at a time: a connection that is a second old is of use, whatever becomes of it.
test.serial('a connection whose hook leaves bytes unread is closed as dirty', async (t) => {
  const system = await startSystem(t);
  const validate: Validate = async ({ socket }) => {
    socket.write('ping and more');
    await once(socket, 'readable');
    await read(socket, 4);
    return true;
  };
  const pool = openPool(t, system.target, { validate, validateAfterIdleMs: 0, validateTimeoutMs: 20_000 });
  await pool.use(() => {});
  t.is(await pool.use(({ socket }) => echo(socket, 'mine')), 'mine');
  // The idle connection, and the one that was dialled from memory in its place. The broker's answer is not
  // validated.
  t.is(pool.stats().closedByReason.dirty, 2);
});

test('a keepalive validates every idle connection, and does not extend its idle time', async (t) => {
  const asked: string[] = [];
  const fake = fakePool(t, {
    max: 3,
    validate: () => asked.push('asked') > 0,
    keepaliveMs: 100,
    idleTimeoutMs: 350,
  });
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

test('a keepalive that fails closes its connection, and the pool opens another for min', async (t) => {
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

test('a connection under validation counts in total, not as idle or leased', async (t) => {
  let answer = (_healthy: boolean): void => {};
  const fake = fakePool(t, {
    max: 1,
    validate: () => new Promise((resolve) => (answer = resolve)),
    validateAfterIdleMs: 0,
  });
  await idle(fake);
  const acquiring = fake.pool.acquire();
  t.like(fake.pool.stats(), { total: 1, idle: 0, leased: 0, waiting: 1, connecting: 0 });
  answer(true);
  (await acquiring).release();
  t.like(fake.pool.stats(), { total: 1, idle: 1 });
});

test("a connection that was validated for a caller that has left is idle and unref'd again (G-09)", async (t) => {
  let answer = (_good: boolean): void => {};
  const fake = fakePool(t, {
    validateAfterIdleMs: 0,
    validate: () => new Promise((resolve) => (answer = resolve)),
  });
  const { pool, connect, pass } = fake;
  const acquiring = pool.acquire();
  const socket = await connect();
  (await acquiring).release();
  await pass(1);
  const givenUp = failureOf(pool.acquire({ timeoutMs: 20 }));
  await pass(50);
  t.is((await givenUp).code, 'TIMEOUT');
  answer(true);
  await settled();
  t.false(socket.keepsAlive);
  t.is(pool.stats().idle, 1);
});

test("a keepalive leaves an idle connection unref'd (G-09)", async (t) => {
  let asked = 0;
  const fake = fakePool(t, { validate: () => (asked += 1) > 0, keepaliveMs: 100 });
  const { pool, connect, pass } = fake;
  const acquiring = pool.acquire();
  const socket = await connect();
  (await acquiring).release();
  await pass(1);
  await pass(100);
  t.is(asked, 1);
  t.is(pool.stats().idle, 1);
  t.false(socket.keepsAlive);
});

test('a connection that is validated in the turn of its release does not keep the process alive', async (t) => {
  const answers: ((isGood: boolean) => void)[] = [];
  const { pool, connect } = fakePool(t, {
    max: 1,
    validateAfterIdleMs: 0,
    validate: () => new Promise((resolve) => answers.push(resolve)),
  });
  const first = pool.acquire();
  const socket = await connect();
  (await first).release();
  const second = pool.acquire();
  t.is(answers.length, 1);
  t.false(socket.keepsAlive);
  answers[0]?.(true);
  const lease = await second;
  t.true(socket.keepsAlive);
  lease.release();
});

test('a connection on which validate leaves bytes unsent is closed as dirty', async (t) => {
  const { pool, connect } = fakePool(t, {
    max: 1,
    validateAfterIdleMs: 0,
    validate({ socket }) {
      socket.cork();
      socket.write('ping');
      return true;
    },
  });
  const first = pool.acquire();
  await connect();
  (await first).release();
  const second = pool.acquire();
  await settled();
  t.like(pool.stats().closedByReason, { dirty: 1 });
  await connect();
  (await second).release();
});
