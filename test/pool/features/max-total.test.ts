import { RefusalCode, type Lease } from '../../../src/index.js';
import type { Failure } from '../../../src/errors.js';
import { fakePool, settled } from '../../helpers/fake-pool.js';
import { failureOf, openPool } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';
import { echo, startSystem } from '../../helpers/system.js';

test('a target waits for a bounded number of leases of a busy one', async (t) => {
  const system = await startSystem(t);
  system.broker.services.set('quiet', { endpoint: system.backend.endpoint });
  const pool = openPool(t, system.target, { max: 4, maxTotal: 4 });
  const state = { busy: true, returns: 0 };
  const callers = Array.from({ length: 40 }, async () => {
    while (state.busy) {
      const lease = await pool.acquire();
      await echo(lease.socket, 'busy');
      state.returns += 1;
      lease.release();
    }
  });
  while (state.returns < 40) await settled();
  for (let time = 0; time < 10; time++) {
    const before = state.returns;
    await pool.use(({ socket }) => echo(socket, 'quiet'), { serviceName: 'quiet' });
    // The leases that are out come back before it, and the waiters in line are served while it connects and
    // talks.
    t.true(state.returns - before < 40 * 4, `${state.returns - before} leases of the busy target came first`);
  }
  state.busy = false;
  await Promise.all(callers);
  t.true(pool.stats().total <= 4);
});

test('the first lease that comes back makes room for a target that has none', async (t) => {
  const { pool, connect, driver } = fakePool(t, { max: 3, maxTotal: 3 });
  const leases: Lease[] = [];
  const acquiring = [pool.acquire(), pool.acquire(), pool.acquire()];
  while (driver.pending.size > 0) await connect();
  leases.push(...(await Promise.all(acquiring)));
  const queue = Array.from({ length: 10 }, () => pool.acquire());
  const other = pool.acquire({ serviceName: 'other' });
  leases.pop()?.release();
  t.is(driver.pending.size, 1, 'a connect of the other target');
  await connect();
  (await other).release();
  t.deepEqual(
    pool.stats().targets.map(({ serviceName, leased, waiting }) => [serviceName, leased, waiting]),
    [
      ['demo', 2, 10],
      ['other', 0, 0],
    ],
  );
  await pool.destroy();
  t.deepEqual(
    (await Promise.allSettled(queue)).filter(({ status }) => status === 'fulfilled'),
    [],
  );
});

test('two targets with equal shares do not evict each other all the time', async (t) => {
  const { pool, connect, driver } = fakePool(t, { max: 4, maxTotal: 4, maxConnecting: 4 });
  const running: Promise<void>[] = [];
  const state = { leases: 0 };
  const run = async (serviceName: string): Promise<void> => {
    for (let time = 0; time < 20; time++) {
      const lease = await pool.acquire({ serviceName });
      state.leases += 1;
      await settled();
      lease.release();
    }
  };
  for (let caller = 0; caller < 8; caller++) running.push(run('one'), run('two'));
  while (state.leases < 320) {
    if (driver.pending.size > 0) await connect();
    else await settled();
  }
  await Promise.all(running);
  const { created, closedByReason } = pool.stats();
  t.true(
    created <= 12,
    `${created} connections were opened, ${closedByReason.evicted} of them evicted again`,
  );
});

test('a target that was evicted below min opens connections again when there is room', async (t) => {
  const { pool, connect } = fakePool(t, { min: 2, max: 2, maxTotal: 4 });
  await settled();
  await connect();
  await connect();
  const others = [pool.acquire({ serviceName: 'a' }), pool.acquire({ serviceName: 'a' })];
  await connect();
  await connect();
  const third = pool.acquire({ serviceName: 'b' });
  await connect();
  const demo = () => pool.stats().targets.find(({ serviceName }) => serviceName === 'demo');
  t.is(demo()?.total, 1, 'evicted for b');
  for (const lease of [...(await Promise.all(others)), await third]) lease.destroy();
  await settled();
  for (let count = 0; count < 4 && (demo()?.total ?? 0) < 2; count++) await connect();
  t.is(demo()?.idle, 2);
});

test('a connection under keepalive makes room for a waiting target when its check has ended', async (t) => {
  let answer = (_healthy: boolean): void => {};
  const validate = (): Promise<boolean> => new Promise((resolve) => (answer = resolve));
  const { pool, connect, pass, driver } = fakePool(t, { max: 1, maxTotal: 1, validate, keepaliveMs: 100 });
  const acquiring = pool.acquire();
  await connect();
  (await acquiring).release();
  await pass(100);
  const other = pool.acquire({ serviceName: 'other' });
  t.is(driver.pending.size, 0);
  answer(true);
  await settled();
  await connect();
  (await other).release();
});

test('a target in constant use keeps its connection while targets that are used once come and go', async (t) => {
  const { pool, connect, pass } = fakePool(t, { maxTotal: 3 });
  const use = async (serviceName: string): Promise<void> => {
    const acquiring = pool.acquire({ serviceName });
    if (pool.stats().connecting > 0) await connect();
    (await acquiring).release();
    await pass(1);
  };
  await use('hot');
  for (let time = 0; time < 10; time++) {
    await use(`cold-${time}`);
    await use('hot');
  }
  const { targets } = pool.stats();
  t.like(
    targets.find(({ serviceName }) => serviceName === 'hot'),
    { created: 1, idle: 1, closedByReason: { evicted: 0 } },
  );
  t.deepEqual(
    targets.filter(({ idle }) => idle > 0).map(({ serviceName }) => serviceName),
    ['hot', 'cold-8', 'cold-9'],
  );
});

const COME_BACK_LATER: Failure = {
  code: 'REFUSED',
  message: 'spawning',
  refusalKind: 'rateLimited',
  refusalCode: RefusalCode.RATE_LIMITED,
  retryAfterMs: 15_000,
};

for (const left of [true, false]) {
  test(`a connect that pauses holds no place, ${left ? 'when its caller has left' : 'though its caller waits'}`, async (t) => {
    const { pool, connect, fail } = fakePool(t, { maxTotal: 1 });
    const abort = new AbortController();
    const sick = failureOf(pool.acquire({ serviceName: 'sick', signal: abort.signal }));
    await fail(COME_BACK_LATER);
    if (left) abort.abort();
    t.like(pool.stats(), { total: 0, connecting: 0, pausing: 1 });
    const acquiring = pool.acquire();
    await connect();
    (await acquiring).release();
    await pool.destroy();
    t.is((await sick).code, left ? 'ABORTED' : 'POOL_CLOSED');
  });
}

test('a retry needs a place again, and waits for one in line', async (t) => {
  const { pool, driver, connect, fail, pass } = fakePool(t, { maxTotal: 1 });
  const sick = pool.acquire({ serviceName: 'sick' });
  await fail(COME_BACK_LATER);
  const healthy = pool.acquire();
  await connect();
  const lease = await healthy;
  await pass(15_000);
  t.is(driver.pending.size, 0, 'the only place is taken');
  t.like(pool.stats(), { leased: 1, connecting: 0, pausing: 1 });
  lease.release();
  await settled();
  await connect();
  (await sick).release();
});

test('a connect whose caller has left lends its place, and closes its connection if no place is free', async (t) => {
  const { pool, driver, connect } = fakePool(t, { maxTotal: 1 });
  const abort = new AbortController();
  const left = failureOf(pool.acquire({ serviceName: 'slow', signal: abort.signal }));
  abort.abort();
  t.is((await left).code, 'ABORTED');
  const acquiring = pool.acquire();
  t.is(driver.pending.size, 2);
  t.like(pool.stats(), { connecting: 1, pausing: 1 });
  await connect();
  t.like(pool.stats(), { total: 0, connecting: 1, pausing: 0, closedByReason: { evicted: 1 } });
  await connect();
  (await acquiring).release();
});

test('a connect that has lent its place keeps its connection if a place is free by then', async (t) => {
  const { pool, driver, connect } = fakePool(t, { maxTotal: 1 });
  const abort = new AbortController();
  const left = failureOf(pool.acquire({ serviceName: 'slow', signal: abort.signal }));
  abort.abort();
  await left;
  const acquiring = pool.acquire();
  const [, second] = driver.pending;
  second?.settle({ kind: 'failed', failure: { code: 'BROKER_CONNECT', message: 'down' } });
  t.is((await failureOf(acquiring)).code, 'BROKER_CONNECT');
  await connect();
  t.like(pool.stats(), { idle: 1, connecting: 0, pausing: 0 });
});

test('a connect lends its place also if its caller leaves after another target has asked for one', async (t) => {
  const { pool, driver, connect } = fakePool(t, { maxTotal: 1 });
  const abort = new AbortController();
  const left = failureOf(pool.acquire({ serviceName: 'slow', signal: abort.signal }));
  const acquiring = pool.acquire();
  t.is(driver.pending.size, 1);
  abort.abort();
  await left;
  t.is(driver.pending.size, 2);
  await connect();
  await connect();
  (await acquiring).release();
});

test('a connect whose caller a release has served lends its place to another target', async (t) => {
  const { pool, driver, connect } = fakePool(t, { maxTotal: 3 });
  const other = { serviceName: 'other' };
  const acquires = [pool.acquire(), pool.acquire(other)];
  await connect();
  await connect();
  const [lease, otherLease] = await Promise.all(acquires);
  const next = pool.acquire();
  const waiting = pool.acquire(other);
  t.is(driver.pending.size, 1, 'there is no place for the other target');
  lease?.release();
  const served = await next;
  t.is(driver.pending.size, 2);
  await connect();
  await connect();
  (await waiting).release();
  served.release();
  otherLease?.release();
});

test('targets whose callers come while a connection makes room get no more places than there are', async (t) => {
  for (const first of ['demo', 'third']) {
    const { pool, connect } = fakePool(t, { maxTotal: 2 });
    const idle = [pool.acquire({ serviceName: 'idle' }), pool.acquire({ serviceName: 'idle' })];
    await connect();
    await connect();
    for (const lease of await Promise.all(idle)) lease.release();
    await settled();
    const acquires: Promise<Lease>[] = [];
    pool.once('connectionClosed', () => {
      for (const serviceName of [first, 'third', 'demo']) acquires.push(pool.acquire({ serviceName }));
    });
    acquires.push(pool.acquire());
    const { total, connecting } = pool.stats();
    t.is(total + connecting, 2, first);
    const ended = Promise.allSettled(acquires);
    await pool.destroy();
    await ended;
  }
});

test('a caller that comes while another target makes room opens no connection beyond max', async (t) => {
  const { pool, connect } = fakePool(t, { max: 1, maxTotal: 2 });
  for (const serviceName of ['a', 'b']) {
    const idle = pool.acquire({ serviceName });
    await connect();
    (await idle).release();
  }
  await settled();
  const acquires: Promise<Lease>[] = [];
  pool.once('connectionClosed', () => acquires.push(pool.acquire()));
  acquires.push(pool.acquire());
  t.like(pool.stats(), { idle: 1, connecting: 1, waiting: 2 });
  await connect();
  for (const acquiring of acquires.toReversed()) (await acquiring).release();
});
