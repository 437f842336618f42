import { EmbeddedBroker } from '../../../src/testing/embedded-broker.js';
import { FAKE_BROKER } from '../../helpers/endpoints.js';
import { fakePool, REFUSAL, settled } from '../../helpers/fake-pool.js';
import { until } from '../../helpers/leftovers.js';
import { failureOf, openPool } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';
import { SERVICE, startSystem, VERSION } from '../../helpers/system.js';

test('a pool opens min connections from the start, one connect after the other, with one Hello', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system.target, { min: 4, maxConnecting: 4 });
  let most = 0;
  pool.on('connectionCreated', () => (most = Math.max(most, pool.stats().connecting)));
  t.true(await until(() => pool.stats().idle === 4));
  t.is(most, 1);
  t.is(system.broker.helloCount, 1);
});

test('a pool that starts before its broker becomes warm when the broker comes', async (t) => {
  const system = await startSystem(t);
  await system.broker.stop();
  const pool = openPool(t, system.target, { min: 2 });
  t.true(await until(() => pool.stats().connectFailures > 0));
  const broker = await EmbeddedBroker.start({
    directory: system.directory,
    endpoint: system.broker.endpoint,
    services: { [SERVICE]: { endpoint: system.backend.endpoint, version: VERSION } },
  });
  t.teardown(() => broker.stop());
  t.true(await until(() => pool.stats().idle === 2));
});

test('warm does not wait for the back-off after failures', async (t) => {
  const { pool, connect, fail } = fakePool(t, { min: 1 });
  await settled();
  for (let failure = 0; failure < 3; failure++) {
    const warming = t.throwsAsync(pool.warm(), { code: 'BROKER_CONNECT' });
    await fail();
    await warming;
  }
  const warming = pool.warm();
  await connect();
  await warming;
  t.is(pool.stats().idle, 1);
});

test('warm that is called when an acquire has just failed waits for the next connect', async (t) => {
  const { pool, connect, fail } = fakePool(t, { min: 1 });
  await settled();
  const warming: Promise<void>[] = [];
  pool.once('acquireFailed', () => void warming.push(pool.warm()));
  const failing = failureOf(pool.acquire());
  await fail();
  t.is((await failing).code, 'BROKER_CONNECT');
  t.is(warming.length, 1);
  await connect();
  await Promise.all(warming);
  t.is(pool.stats().idle, 1);
});

test('connects for min back off exponentially, and a caller tries at once', async (t) => {
  const { pool, driver, fail, pass } = fakePool(t, { min: 1 });
  await settled();
  const pauses: number[] = [];
  for (let failure = 0; failure < 4; failure++) {
    await fail();
    let waitedMs = 0;
    while (driver.pending.size === 0) {
      await pass(50);
      waitedMs += 50;
    }
    pauses.push(waitedMs);
  }
  t.deepEqual(pauses, [100, 200, 400, 800]);
  await fail();
  const failing = failureOf(pool.acquire());
  t.is(driver.pending.size, 1);
  await fail();
  t.is((await failing).code, 'BROKER_CONNECT');
});

test('warm opens min connections of another target, too', async (t) => {
  const system = await startSystem(t);
  system.broker.services.set('other', { endpoint: system.backend.endpoint });
  const pool = openPool(t, system.target, { min: 2 });
  await pool.warm({ serviceName: 'other' });
  await pool.warm();
  const idle = new Map(pool.stats().targets.map((target) => [target.serviceName, target.idle]));
  t.deepEqual([idle.get(SERVICE), idle.get('other')], [2, 2]);
});

test('a target that was never warmed keeps no connection, and the pool sends no Hello for it', async (t) => {
  const { pool, driver, connect, fail, pass } = fakePool(t, { min: 2, idleTimeoutMs: 1_000 });
  await settled();
  await connect();
  await connect();
  for (const serviceName of ['once', 'often']) {
    const acquiring = pool.acquire({ serviceName });
    await connect();
    (await acquiring).release();
  }
  const typo = failureOf(pool.acquire({ serviceName: 'typo' }));
  await fail(REFUSAL);
  await typo;
  const away = failureOf(pool.acquire({ serviceName: 'away' }));
  await fail();
  await away;
  await pass(600_000);
  t.is(driver.pending.size, 0);
  t.like(pool.stats(), { total: 2, idle: 2, created: 4, connectFailures: 2 });
});

test('after a final refusal the pool tries min again every 30 s, and when a caller asks', async (t) => {
  const { pool, driver, connect, fail, pass } = fakePool(t, { min: 2 });
  await settled();
  await fail(REFUSAL);
  for (let round = 0; round < 3; round++) {
    await pass(29_999);
    t.is(driver.pending.size, 0);
    await pass(1);
    await fail(REFUSAL);
  }
  await pass(1_000);
  const acquiring = pool.acquire();
  await connect();
  (await acquiring).release();
  await connect();
  t.is(pool.stats().idle, 2);
});

test('warm fails with TIMEOUT, ABORTED or POOL_CLOSED', async (t) => {
  const { pool, pass } = fakePool(t, { min: 1 });
  const late = failureOf(pool.warm({ timeoutMs: 50 }));
  await pass(50);
  const state = /: total 0, idle 0, connecting 1, waiting 0, leased 0, max 10, /;
  t.like(await late, { code: 'TIMEOUT', phase: 'hello', elapsedMs: 50 });
  t.regex((await late).message, state);
  const abort = new AbortController();
  const aborted = failureOf(pool.warm({ signal: abort.signal }));
  abort.abort();
  t.is((await aborted).code, 'ABORTED');
  t.regex((await aborted).message, state);
  const ended = failureOf(pool.warm());
  await pool.destroy();
  t.is((await ended).code, 'POOL_CLOSED');
  t.regex((await ended).message, state);
});

test('warm fails with ABORTED where its signal has aborted before, even if the pool is warm', async (t) => {
  for (const min of [0, 1]) {
    const { pool } = fakePool(t, { min });
    t.is((await failureOf(pool.warm({ signal: AbortSignal.abort() }))).code, 'ABORTED', `min ${min}`);
  }
});

test('warm fails with POOL_CLOSED on a pool that is closing', async (t) => {
  const { pool, connect } = fakePool(t, { min: 3 });
  const acquiring = pool.acquire();
  await connect();
  const lease = await acquiring;
  const warming = failureOf(pool.warm());
  const closing = pool.close();
  await connect();
  lease.release();
  await closing;
  t.is((await warming).code, 'POOL_CLOSED');
});

test('warm without min resolves although there is no broker', async (t) => {
  const pool = openPool(t, {
    brokerEndpoint: FAKE_BROKER,
    serviceName: 'demo',
    wantedVersion: '1.0.0',
  });
  await pool.warm();
  t.is(pool.stats().connectFailures, 0);
});

test('warm without min opens no connection', async (t) => {
  const { pool, driver } = fakePool(t);
  await pool.warm();
  t.is(driver.pending.size, 0);
});

test('a connection that tryAcquire finds dead is replaced', async (t) => {
  const { pool, connect } = fakePool(t, { min: 1 });
  await settled();
  const socket = await connect();
  socket.destroy();
  t.is(pool.tryAcquire(), undefined);
  await connect();
  t.like(pool.stats(), { total: 1, idle: 1, created: 2 });
});

test('warm does not count detached connections towards min', async (t) => {
  const { pool, driver, connect } = fakePool(t, { min: 1 });
  await settled();
  await connect();
  const lease = await pool.acquire();
  const socket = lease.detach();
  t.is(driver.pending.size, 1);
  let isWarm = false;
  const warming = pool.warm().then(() => (isWarm = true));
  await settled();
  t.false(isWarm);
  await connect();
  await warming;
  socket.destroy();
});
