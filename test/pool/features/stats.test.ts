import { inspect } from 'node:util';
import type { PoolCounts, PoolStats } from '../../../src/index.js';
import { fakePool, REFUSAL, settled } from '../../helpers/fake-pool.js';
import { failureOf } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';

const sumOf = (counts: Readonly<Record<string, number>> | readonly number[]): number =>
  Object.values(counts).reduce((sum: number, count: number) => sum + count, 0);

function addsUp(counts: PoolCounts): boolean {
  return (
    counts.created - sumOf(counts.closedByReason) === counts.total &&
    counts.created === sumOf(counts.createdByRoute) &&
    counts.created === counts.connectMs.count &&
    sumOf(counts.acquiredByRoute) === counts.waitMs.count &&
    sumOf(counts.acquiredByRoute) === counts.useMs.count + counts.leased &&
    [counts.waitMs, counts.connectMs, counts.useMs].every(
      (histogram) => sumOf(histogram.counts) === histogram.count,
    )
  );
}

test('a snapshot is deeply frozen, and does not change', async (t) => {
  const { pool, connect } = fakePool(t);
  const acquiring = pool.acquire();
  await connect();
  const stats = pool.stats();
  const copy = JSON.stringify(stats);
  const frozen = (value: unknown): boolean =>
    typeof value !== 'object' ||
    value === null ||
    (Object.isFrozen(value) && Object.values(value).every((each) => frozen(each)));
  t.true(frozen(stats));
  (await acquiring).destroy();
  t.is(JSON.stringify(stats), copy);
});

test('the counts add up after every step, for each target and for all', async (t) => {
  const { pool, connect, fail, pass, driver } = fakePool(t, {
    max: 2,
    maxTotal: 3,
    maxUses: 3,
    idleTimeoutMs: 200,
  });
  const seen: PoolStats[] = [];
  const look = (): void => {
    const stats = pool.stats();
    seen.push(stats);
    t.true(
      [stats, ...stats.targets].every((counts) => addsUp(counts)),
      JSON.stringify(stats),
    );
    for (const name of [
      'total',
      'idle',
      'leased',
      'connecting',
      'waiting',
      'created',
      'timeouts',
      'connectFailures',
    ] as const) {
      t.is(
        stats[name],
        stats.targets.reduce((sum, target) => sum + target[name], 0),
        name,
      );
    }
  };
  const work: Promise<unknown>[] = [];
  for (let round = 0; round < 30; round++) {
    for (const serviceName of ['a', 'b']) {
      work.push(pool.use(() => settled(), { serviceName, timeoutMs: 400 }).catch(() => {}));
    }
    look();
    if (driver.pending.size > 0) await (round % 5 === 4 ? fail() : connect());
    look();
    await pass(round % 7 === 6 ? 300 : 10);
    look();
    if (round === 15) pool.clear();
  }
  await pass(1_000);
  await Promise.all(work);
  await pool.close();
  look();
  t.like(seen.at(-1), { total: 0, idle: 0, leased: 0, waiting: 0, connecting: 0 });
});

test('for a listener of each event, the leases that are out and those with a time add up', async (t) => {
  const { pool, connect, pass } = fakePool(t, { max: 1 });
  let heard = 0;
  for (const name of [
    'acquireStarted',
    'acquired',
    'released',
    'connectionReady',
    'connectionClosed',
  ] as const)
    pool.on(name, () => {
      heard += 1;
      const { acquiredByRoute, leased, useMs } = pool.stats();
      t.is(sumOf(acquiredByRoute), leased + useMs.count, name);
      t.is(sumOf(useMs.counts), useMs.count, name);
    });
  const acquiring = pool.acquire();
  const waiting = pool.acquire();
  await connect();
  const lease = await acquiring;
  await pass(30);
  lease.release();
  await pass(20);
  (await waiting).destroy();
  t.is(heard, 8);
});

test('stats count waits, connects, timeouts and failures', async (t) => {
  const { pool, connect, fail, pass } = fakePool(t, { max: 1 });
  const acquiring = pool.acquire();
  await pass(30);
  await connect();
  const lease = await acquiring;
  const late = failureOf(pool.acquire({ timeoutMs: 20 }));
  const patient = pool.acquire();
  await pass(20);
  t.is((await late).code, 'TIMEOUT');
  await pass(50);
  t.is(pool.stats().oldestWaitMs, 70);
  lease.destroy();
  await connect();
  (await patient).destroy();
  const failing = failureOf(pool.acquire());
  await fail();
  await failing;
  t.like(pool.stats(), {
    timeouts: 1,
    connectFailures: 1,
    oldestWaitMs: 0,
    created: 2,
    waitMs: { count: 2, sumMs: 100, maxMs: 70 },
    connectMs: { count: 2, sumMs: 30, maxMs: 30 },
    closedByReason: { destroyed: 2 },
  });
});

test('stats count the long turn in which an acquire began as a wait for its connect', async (t) => {
  const { pool, clock, connect, pass } = fakePool(t, { max: 1 });
  const acquiring = pool.acquire();
  clock.nowMs += 15;
  await pass(10);
  await connect();
  (await acquiring).destroy();
  const { waitMs, connectMs } = pool.stats();
  t.deepEqual([waitMs.sumMs, connectMs.sumMs], [25, 25]);
});

test('stats count how long leases took, from the end of the turn in which they began', async (t) => {
  const { pool, connect, pass } = fakePool(t, { max: 1 });
  const acquiring = pool.acquire();
  await connect();
  const released = await acquiring;
  const waiting = pool.acquire();
  await pass(30);
  released.release();
  const destroyed = await waiting;
  await pass(7);
  destroyed.destroy();
  const detached = pool.acquire();
  await connect();
  const leaving = await detached;
  await pass(0.25);
  t.like(pool.stats(), { leased: 1, useMs: { count: 2, sumMs: 37, maxMs: 30 } });
  const socket = leaving.detach();
  await pass(1_000);
  t.like(pool.stats(), { leased: 0, detached: 1, useMs: { count: 3, sumMs: 37.25 } });
  socket.destroy();
  await settled();
  const dying = pool.acquire();
  const alive = await connect();
  await dying;
  await pass(500);
  alive.destroy();
  await settled();
  t.like(pool.stats(), { leased: 0, useMs: { count: 4, sumMs: 537.25, maxMs: 500 } });
});

test('stats count the acquires that failed, by code', async (t) => {
  const { pool, connect, fail, pass } = fakePool(t, { max: 1, maxWaiting: 1 });
  const acquiring = pool.acquire();
  await connect();
  const lease = await acquiring;
  const late = failureOf(pool.acquire({ timeoutMs: 20 }));
  const tooMany = failureOf(pool.acquire());
  const aborted = failureOf(pool.acquire({ signal: AbortSignal.abort() }));
  await pass(20);
  lease.destroy();
  const refused = [failureOf(pool.acquire()), failureOf(pool.acquire())];
  await fail(REFUSAL);
  const remembered = failureOf(pool.acquire());
  for (const failure of [late, tooMany, aborted, remembered, ...refused]) await failure;
  t.deepEqual(pool.stats().failuresByCode, { TIMEOUT: 1, QUEUE_FULL: 1, ABORTED: 1, REFUSED: 3 });
  t.deepEqual(pool.stats().targets[0]?.failuresByCode, pool.stats().failuresByCode);
});

test('a lease that ends in the turn in which it began counts as 0 ms', async (t) => {
  const { pool, connect } = fakePool(t);
  const acquiring = pool.acquire();
  await connect();
  (await acquiring).release();
  for (let lease = 0; lease < 3; lease++) pool.tryAcquire()?.release();
  await settled();
  pool.tryAcquire()?.destroy();
  t.like(pool.stats().useMs, { count: 5, sumMs: 0, maxMs: 0 });
});

test('a lease that the end of the pool ends has its time in the stats', async (t) => {
  const { pool, connect, pass } = fakePool(t);
  const acquiring = pool.acquire();
  await connect();
  await acquiring;
  await pass(40);
  await pool.destroy();
  t.like(pool.stats().useMs, { count: 1, sumMs: 40 });
});

for (const ending of ['release', 'destroy', 'detach'] as const) {
  test(`a lease has its time in the stats once when a listener of its ${ending} destroys the pool`, async (t) => {
    const { pool, connect, pass } = fakePool(t);
    pool.on('released', () => void pool.destroy());
    const acquiring = pool.acquire();
    await connect();
    const lease = await acquiring;
    await pass(40);
    lease[ending]();
    const { useMs } = pool.stats();
    t.like(useMs, { count: 1, sumMs: 40 });
    t.is(sumOf(useMs.counts), 1);
    t.true(useMs.counts.every((count) => count >= 0));
  });
}

test('inspect and JSON of a pool show its state and counts', async (t) => {
  const { pool, connect } = fakePool(t, { max: 2 });
  const acquiring = pool.acquire();
  await connect();
  const lease = await acquiring;
  t.is(
    inspect({ pool }),
    '{\n  pool: BrokerPool (open; connections: 1, 0 idle, 1 leased, 0 connecting; callers waiting: 0)\n}',
  );
  t.deepEqual(JSON.parse(JSON.stringify(pool)), {
    state: 'open',
    total: 1,
    idle: 0,
    leased: 1,
    connecting: 0,
    waiting: 0,
  });
  const closing = pool.close();
  t.is(pool.toJSON().state, 'closing');
  lease.release();
  await closing;
  t.is(
    inspect(pool),
    'BrokerPool (closed; connections: 0, 0 idle, 0 leased, 0 connecting; callers waiting: 0)',
  );
});
