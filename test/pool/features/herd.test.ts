import { collectGarbage } from '../../helpers/garbage.js';
import { until } from '../../helpers/leftovers.js';
import { openPool } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';
import { echo, startSystem } from '../../helpers/system.js';

const CALLERS = 10_000;

test('10,000 acquires at once on 50 connections are served in order, and their memory is freed', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system.target, { max: 50, maxConnecting: 10 });
  const herd = async (): Promise<void> => {
    let next = 0;
    let leased = 0;
    let most = 0;
    const outOfOrder: number[] = [];
    const callers = Array.from({ length: CALLERS }, async (_, index) => {
      const lease = await pool.acquire();
      if (index !== next) outOfOrder.push(index);
      next += 1;
      leased += 1;
      most = Math.max(most, leased);
      if (index % 100 === 0) await echo(lease.socket, 'hello');
      leased -= 1;
      lease.release();
    });
    t.true(pool.stats().waiting >= CALLERS - 50);
    await Promise.all(callers);
    t.deepEqual(outOfOrder, []);
    t.is(next, CALLERS);
    t.true(most <= 50);
  };
  await herd();
  t.is(system.broker.helloCount, 1);
  await collectGarbage();
  const beforeBytes = process.memoryUsage().heapUsed;
  await herd();
  // A waiter takes some 200 bytes: 10,000 that stay would exceed the limit.
  const comesBack = await until(() => {
    void collectGarbage();
    return process.memoryUsage().heapUsed - beforeBytes < 1_000_000;
  });
  t.true(comesBack);
  t.like(pool.stats(), { waiting: 0, leased: 0, timeouts: 0 });
});
