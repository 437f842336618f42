import { RefusalCode } from '../../../src/wire/messages.js';
import { fakePool, REFUSAL } from '../../helpers/fake-pool.js';
import { failureOf, openPool } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';
import { startSystem } from '../../helpers/system.js';

test('many callers of an unknown service cost one Hello within a second', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system.target);
  const stranger = { serviceName: 'unknown' };
  const startedMs = performance.now();
  const atOnce = await Promise.all(Array.from({ length: 100 }, () => failureOf(pool.acquire(stranger))));
  const later: typeof atOnce = [];
  for (let time = 0; time < 100; time++) later.push(await failureOf(pool.acquire(stranger)));
  for (const error of [...atOnce, ...later])
    t.like(error, {
      code: 'REFUSED',
      refusalKind: 'serviceUnknown',
      refusalCode: RefusalCode.SERVICE_UNKNOWN,
    });
  // On a busy machine the second may have passed.
  if (performance.now() - startedMs < 1_000) {
    t.is(system.broker.helloCount, 1);
    t.regex(later.at(-1)?.message ?? '', /not asked again for another \d+ ms/);
  }
  t.is(await pool.use(({ route }) => route), 'broker-negotiated', 'other targets are served');
});

test('a pool remembers a blocked version for one second', async (t) => {
  const { pool, driver, fail, connect, pass } = fakePool(t);
  const first = failureOf(pool.acquire());
  await fail({ ...REFUSAL, refusalKind: 'versionBlocked', refusalCode: RefusalCode.VERSION_BLOCKED });
  t.is((await first).refusalKind, 'versionBlocked');
  await pass(999);
  t.is((await failureOf(pool.acquire())).refusalKind, 'versionBlocked');
  t.is(driver.pending.size, 0);
  await pass(1);
  const acquiring = pool.acquire();
  await connect();
  (await acquiring).release();
});

test('clear forgets a refusal, and so does warm', async (t) => {
  const { pool, fail, connect } = fakePool(t, { min: 1 });
  const first = failureOf(pool.acquire());
  await fail(REFUSAL);
  await first;
  pool.clear();
  const again = failureOf(pool.acquire());
  await fail(REFUSAL);
  t.is((await again).code, 'REFUSED');
  const warming = pool.warm();
  await connect();
  await warming;
  (await pool.acquire()).release();
});

test('a refusal leaves open connections to callers', async (t) => {
  const { pool, fail, connect } = fakePool(t, { max: 2 });
  const acquiring = pool.acquire();
  await connect();
  const lease = await acquiring;
  const waiting = pool.acquire();
  await fail(REFUSAL);
  lease.release();
  const next = await waiting;
  t.is(next.connectionId, 1);
  next.release();
  t.is(pool.tryAcquire()?.connectionId, 1);
});
