import type { Failure } from '../../../src/errors.js';
import { RefusalCode } from '../../../src/wire/messages.js';
import { fakePool, settled } from '../../helpers/fake-pool.js';
import { failureOf } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';

function comeBackLater(retryAfterMs: number): Failure {
  return { code: 'REFUSED', message: 'too many', refusalKind: 'rateLimited', refusalCode: RefusalCode.RATE_LIMITED, retryAfterMs };
}

test('a refusal that passes is tried again after the broker\'s pause, while somebody has time for it', async (t) => {
  const { pool, driver, fail, connect, pass } = fakePool(t);
  const acquiring = pool.acquire({ timeoutMs: 1_000 });
  await fail(comeBackLater(400));
  await pass(399);
  t.is(driver.pending.size, 0);
  await pass(1);
  await connect();
  (await acquiring).release();
});

test('whoever has no time for the pause learns of the refusal at once, however long others had before', async (t) => {
  const { pool, fail, connect } = fakePool(t);
  const before = pool.acquire({ timeoutMs: 30_000 });
  await connect();
  (await before).destroy();
  const hurried = failureOf(pool.acquire({ timeoutMs: 300 }));
  await fail(comeBackLater(5_000));
  t.like(await hurried, { code: 'REFUSED', refusalKind: 'rateLimited', retryAfterMs: 5_000 });
});

test('a timeout during the pause says why, and that it was a connect', async (t) => {
  const { pool, fail, pass } = fakePool(t, { maxConnecting: 1 });
  const patient = failureOf(pool.acquire({ timeoutMs: 2_000 }));
  const hurried = failureOf(pool.acquire({ timeoutMs: 300 }));
  await fail(comeBackLater(1_500));
  await pass(300);
  t.like(await hurried, { code: 'TIMEOUT', phase: 'connect', cause: { code: 'REFUSED', refusalKind: 'rateLimited' } });
  t.is(pool.stats().connectFailures, 0, 'the connect is not over');
  await pool.destroy();
  t.is((await patient).code, 'POOL_CLOSED');
});

for (const way of ['clear', 'warm'] as const) {
  test(`${way} ends the pause: the connect is tried again at once`, async (t) => {
    const { pool, driver, clock, fail, connect } = fakePool(t, { maxConnecting: 1 });
    const acquiring = pool.acquire();
    await fail(comeBackLater(20_000));
    t.is(driver.pending.size, 0);
    if (way === 'clear') pool.clear();
    else await pool.warm();
    await settled();
    t.is(driver.pending.size, 1);
    await connect();
    // What began before a clear is stale when it arrives.
    if (way === 'clear') await connect();
    (await acquiring).release();
    await pool.destroy();
    t.is(clock.pending, 0);
  });
}

test('clear of one target leaves the pauses of others alone', async (t) => {
  const { pool, driver, fail, pass, connect } = fakePool(t);
  const acquiring = pool.acquire({ serviceName: 'other' });
  await fail(comeBackLater(1_000));
  pool.clear({});
  await settled();
  t.is(driver.pending.size, 0);
  await pass(1_000);
  await connect();
  (await acquiring).release();
});
