import type { Failure } from '../../../src/errors.js';
import { RefusalCode } from '../../../src/wire/messages.js';
import { fakePool, settled } from '../../helpers/fake-pool.js';
import { failureOf } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';

function comeBackLater(retryAfterMs: number): Failure {
  return {
    code: 'REFUSED',
    message: 'too many',
    refusalKind: 'rateLimited',
    refusalCode: RefusalCode.RATE_LIMITED,
    retryAfterMs,
  };
}

test("a transient refusal is retried after the broker's pause while a caller has time for it", async (t) => {
  const { pool, driver, fail, connect, pass } = fakePool(t);
  const acquiring = pool.acquire({ timeoutMs: 1_000 });
  await fail(comeBackLater(400));
  await pass(399);
  t.is(driver.pending.size, 0);
  await pass(1);
  await connect();
  (await acquiring).release();
});

test('a caller without time for the pause gets the refusal at once, however much time earlier callers had', async (t) => {
  const { pool, fail, connect } = fakePool(t);
  const before = pool.acquire({ timeoutMs: 30_000 });
  await connect();
  (await before).destroy();
  const hurried = failureOf(pool.acquire({ timeoutMs: 300 }));
  await fail(comeBackLater(5_000));
  t.like(await hurried, { code: 'REFUSED', refusalKind: 'rateLimited', retryAfterMs: 5_000 });
});

test('a TIMEOUT during the pause has phase connect and the refusal as cause', async (t) => {
  const { pool, fail, pass } = fakePool(t, { maxConnecting: 1 });
  const patient = failureOf(pool.acquire({ timeoutMs: 2_000 }));
  const hurried = failureOf(pool.acquire({ timeoutMs: 300 }));
  await fail(comeBackLater(1_500));
  await pass(300);
  t.like(await hurried, {
    code: 'TIMEOUT',
    phase: 'connect',
    cause: { code: 'REFUSED', refusalKind: 'rateLimited' },
  });
  t.is(pool.stats().connectFailures, 0, 'the connect is not over');
  await pool.destroy();
  t.is((await patient).code, 'POOL_CLOSED');
});

for (const way of ['clear', 'warm'] as const) {
  test(`${way} ends the pause: the connect is retried at once`, async (t) => {
    const { pool, driver, clock, fail, connect } = fakePool(t, { maxConnecting: 1 });
    const acquiring = pool.acquire();
    await fail(comeBackLater(20_000));
    t.is(driver.pending.size, 0);
    if (way === 'clear') pool.clear();
    else await pool.warm();
    await settled();
    t.is(driver.pending.size, 1);
    await connect();
    // A connect from before the clear is stale when it arrives.
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

function noBackend(): Failure {
  return {
    code: 'REFUSED',
    message: 'backend is not registered',
    refusalKind: 'other',
    refusalCode: RefusalCode.BACKEND_SPAWN_FAILED,
    retryAfterMs: 1_000,
  };
}

test('each retry counts in the stats and emits connectRetrying with attempt, pause and error', async (t) => {
  const { pool, fail, pass, connect } = fakePool(t);
  const events: unknown[] = [];
  pool.on('connectRetrying', ({ target, connectionId, attempt, delayMs, error }) => {
    events.push([target.serviceName, connectionId, attempt, delayMs, error.refusalCode]);
  });
  const acquiring = pool.acquire();
  await fail(comeBackLater(400));
  await pass(400);
  await fail(noBackend());
  await pass(1_000);
  await connect();
  (await acquiring).release();
  t.deepEqual(events, [
    ['demo', 1, 1, 400, RefusalCode.RATE_LIMITED],
    ['demo', 1, 2, 1_000, RefusalCode.BACKEND_SPAWN_FAILED],
  ]);
  t.like(pool.stats(), { retries: 2, connectFailures: 0 });
});

test('a broker without the backend is asked three times; the error names attempts, time and remedy', async (t) => {
  const { pool, driver, fail, pass } = fakePool(t);
  const failure = failureOf(pool.acquire());
  await fail(noBackend());
  for (let retry = 0; retry < 2; retry++) {
    await pass(1_000);
    await fail(noBackend());
  }
  t.like(await failure, { code: 'REFUSED', refusalCode: RefusalCode.BACKEND_SPAWN_FAILED });
  t.regex(
    (await failure).message,
    /^backend is not registered; the pool makes no more attempts by default: give retry\.attempts to have more \(.*, 3 attempts in 2000 ms\)\./,
  );
  t.is(driver.pending.size, 0);
});

test('retry.attempts sets how often a broker without the backend is asked', async (t) => {
  const { pool, fail, pass, connect } = fakePool(t, { retry: { attempts: 5 } });
  const acquiring = pool.acquire();
  for (let retry = 0; retry < 4; retry++) {
    await fail(noBackend());
    await pass(1_000);
  }
  t.is(pool.stats().retries, 4);
  await connect();
  (await acquiring).release();
});

test('a backend that stays away is dialled twice, and the error does not advise more attempts', async (t) => {
  const { pool, driver, fail, pass } = fakePool(t);
  const failure = failureOf(pool.acquire());
  const away: Failure = { code: 'BACKEND_CONNECT', message: 'the backend is away' };
  await fail(away);
  await pass(20);
  await fail(away);
  t.regex((await failure).message, /^the backend is away \(.*, 2 attempts in 20 ms\)\./);
  t.notRegex((await failure).message, /retry\.attempts/);
  t.is(driver.pending.size, 0);
});

for (const retry of [false, { attempts: 1 }] as const) {
  test(`with retry ${JSON.stringify(retry)} a connect is tried once, and the error names the option`, async (t) => {
    const { pool, fail } = fakePool(t, { retry });
    const failure = failureOf(pool.acquire());
    await fail(comeBackLater(1));
    t.like(await failure, { code: 'REFUSED', refusalKind: 'rateLimited' });
    t.regex((await failure).message, /; retry allows no more attempts: give retry\.attempts to have more/);
    t.is(pool.stats().retries, 0);
  });
}

test('a caller without time for the next attempt fails at once, with a message that tells the remedy', async (t) => {
  const { pool, fail, pass } = fakePool(t);
  const failure = failureOf(pool.acquire({ timeoutMs: 1_000 }));
  await fail(comeBackLater(400));
  await pass(400);
  await fail(comeBackLater(800));
  t.regex(
    (await failure).message,
    /; no caller has time for the next attempt, which is due in 800 ms: give acquire more time \(.*, 2 attempts in 400 ms\)\./,
  );
});

test('a pause whose callers have all left ends without another attempt', async (t) => {
  const { pool, driver, fail, pass } = fakePool(t);
  const abort = new AbortController();
  const failure = failureOf(pool.acquire({ signal: abort.signal }));
  await fail(comeBackLater(1_000));
  abort.abort();
  t.is((await failure).code, 'ABORTED');
  await pass(1_000);
  t.is(driver.pending.size, 0);
  t.like(pool.stats(), { connecting: 0, pausing: 0, connectFailures: 1 });
});

test('an attempt that fails after its callers have all left is not tried again', async (t) => {
  const { pool, fail, pass, connect } = fakePool(t);
  const before = pool.acquire();
  await connect();
  (await before).destroy();
  const abort = new AbortController();
  const failure = failureOf(pool.acquire({ signal: abort.signal }));
  await pass(1);
  abort.abort();
  t.is((await failure).code, 'ABORTED');
  await fail(comeBackLater(1_000));
  t.like(pool.stats(), { connecting: 0, pausing: 0, retries: 0, connectFailures: 1 });
});

test('a caller that comes during an abandoned pause is served after its end, not before', async (t) => {
  const { pool, driver, fail, pass, connect } = fakePool(t, { maxConnecting: 1 });
  const abort = new AbortController();
  const failure = failureOf(pool.acquire({ signal: abort.signal }));
  await fail(comeBackLater(1_000));
  abort.abort();
  await failure;
  const acquiring = pool.acquire();
  await pass(999);
  t.is(driver.pending.size, 0);
  await pass(1);
  await connect();
  (await acquiring).release();
});

test('warm ends an abandoned pause, and succeeds', async (t) => {
  const { pool, fail, connect } = fakePool(t, { min: 1, maxConnecting: 1 });
  await settled();
  await connect();
  const abort = new AbortController();
  const target = { serviceName: 'other' };
  const failure = failureOf(pool.acquire({ ...target, signal: abort.signal }));
  await fail(comeBackLater(20_000));
  abort.abort();
  await failure;
  const warming = pool.warm(target);
  await settled();
  await connect();
  await t.notThrowsAsync(warming);
});

test('a TIMEOUT while the pool backs off has phase connect and its cause, even if a connection is leased', async (t) => {
  const { pool, connect, fail, pass } = fakePool(t, { max: 2 });
  const first = pool.acquire();
  await connect();
  const lease = await first;
  const hurried = failureOf(pool.acquire({ timeoutMs: 50 }));
  await fail();
  await pass(50);
  t.like(await hurried, { code: 'TIMEOUT', phase: 'connect', cause: { code: 'BROKER_CONNECT' } });
  lease.release();
});

test('a TIMEOUT at max has phase queue, even after an earlier connect failure', async (t) => {
  const { pool, connect, fail, pass } = fakePool(t, { max: 2 });
  const first = [pool.acquire(), pool.acquire()];
  await connect();
  await connect();
  const [lease, other] = await Promise.all(first);
  other?.destroy();
  const hurried = failureOf(pool.acquire({ timeoutMs: 50 }));
  await fail();
  await pass(50);
  t.is((await hurried).phase, 'connect');
  await pass(5_000);
  const again = pool.acquire();
  await connect();
  const full = failureOf(pool.acquire({ timeoutMs: 50 }));
  await pass(50);
  t.is((await full).phase, 'queue');
  (await again).release();
  lease?.release();
});

for (const [retry, field] of [
  [{ attempts: 0 }, 'retry\\.attempts'],
  [{ attempts: 1.5 }, 'retry\\.attempts'],
  [{ attempts: '3' }, 'retry\\.attempts'],
  [{ tries: 3 }, 'retry'],
  [true, 'retry'],
  [3, 'retry'],
  [null, 'retry'],
] as const) {
  test(`retry ${JSON.stringify(retry)} is an invalid argument that is named`, (t) => {
    const options: object = { retry };
    t.throws(() => fakePool(t, options), { code: 'INVALID_ARGUMENT', message: new RegExp(`^${field}`) });
  });
}
