import { join } from 'node:path';
import { systemClock } from '../../../src/clock.js';
import { sharedBrokerEndpoint } from '../../../src/connect.js';
import { EndpointFile } from '../../../src/endpoint-cache/endpoint-file.js';
import { BrokerPool } from '../../../src/index.js';
import { targetKey } from '../../../src/target.js';
import { endpointIn } from '../../helpers/endpoints.js';
import { fakePool, settled } from '../../helpers/fake-pool.js';
import test, { temporaryDirectory } from '../../helpers/sanitary.js';
import { startSystem } from '../../helpers/system.js';
import { testWhere } from '../../helpers/test-where.js';
import { contentOf } from '../../endpoint-cache/kit.js';

test('clear closes idle connections at once, leased ones on release, and connects under way when they arrive', async (t) => {
  const { pool, connect } = fakePool(t, { max: 3, maxConnecting: 3 });
  const acquiring = [pool.acquire(), pool.acquire(), pool.acquire()];
  await connect();
  await connect();
  const [first, leased] = [await acquiring[0], await acquiring[1]];
  // The third caller takes it, and its own connect goes on without a waiter.
  first?.release();
  (await acquiring[2])?.release();
  t.like(pool.stats(), { idle: 1, leased: 1, connecting: 1 });
  pool.clear();
  t.like(pool.stats(), { total: 1, leased: 1, connecting: 1, closedByReason: { stale: 1 } });
  await connect();
  t.like(pool.stats(), { total: 1, leased: 1, connecting: 0, closedByReason: { stale: 2 } });
  leased?.release();
  t.like(pool.stats(), { total: 0, closedByReason: { stale: 3 } });
});

test('clear closes a connection under validation when the answer has come', async (t) => {
  let answer = (_healthy: boolean): void => {};
  const { pool, connect, pass } = fakePool(t, {
    max: 1,
    validate: () => new Promise((resolve) => (answer = resolve)),
    validateAfterIdleMs: 0,
  });
  const acquiring = pool.acquire();
  await connect();
  (await acquiring).release();
  await pass(1);
  const waiting = pool.acquire();
  pool.clear();
  t.is(pool.stats().total, 1);
  answer(true);
  await settled();
  t.is(pool.stats().closedByReason.stale, 1);
  await connect();
  const lease = await waiting;
  t.is(lease.connectionId, 2);
  lease.release();
  await pass(1);
  const again = pool.acquire();
  answer(true);
  (await again).release();
  t.like(pool.stats(), { total: 1, idle: 1 });
});

test('clear after clear: each generation of connections goes', async (t) => {
  const { pool, connect, driver } = fakePool(t, { max: 3, maxConnecting: 3 });
  const waiting = [pool.acquire(), pool.acquire(), pool.acquire()];
  for (let round = 0; round < 5; round++) {
    pool.clear();
    while (driver.pending.size > 3) await connect();
    await connect();
  }
  t.is(pool.stats().closedByReason.stale, 5);
  while (driver.pending.size > 0) await connect();
  for (const lease of await Promise.all(waiting)) lease.release();
  t.like(pool.stats(), { total: 3, idle: 3 });
});

test('clearing one target leaves the others alone', async (t) => {
  const { pool, connect } = fakePool(t);
  for (const serviceName of ['a', 'b']) {
    const acquiring = pool.acquire({ serviceName });
    await connect();
    (await acquiring).release();
  }
  pool.clear({ serviceName: 'a' });
  t.deepEqual(
    pool.stats().targets.map(({ serviceName, total }) => [serviceName, total]),
    [
      ['a', 0],
      ['b', 1],
    ],
  );
});

test('min is opened anew after clear', async (t) => {
  const { pool, connect } = fakePool(t, { min: 2 });
  const warming = pool.warm();
  await settled();
  await connect();
  await connect();
  await warming;
  pool.clear();
  t.is(pool.stats().total, 0);
  await connect();
  await connect();
  t.like(pool.stats(), { total: 2, idle: 2, created: 4 });
});

test('clear without a target forgets what other pools have left of the broker in the endpoint file', async (t) => {
  const { target } = await startSystem(t);
  const file = join(temporaryDirectory(t), 'endpoints.json');
  const first = new BrokerPool({ ...target, endpointCache: { file } });
  await first.use(() => {});
  await first.close();
  const forgotten = (): boolean[] =>
    Array.from(contentOf(file).answers.values(), (answer) => answer.forgotten);
  t.deepEqual(forgotten(), [false]);
  const { brokerEndpoint } = target;
  const second = new BrokerPool({ brokerEndpoint, serviceName: 'other', endpointCache: { file } });
  second.clear();
  await second.close();
  t.deepEqual(forgotten(), [true]);
});

const canDerive = testWhere(process.platform === 'linux', 'a broker endpoint without a command');

canDerive('clear of a pool with an identity file forgets what others have left of the broker', async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'endpoints.json');
  const target = { serviceName: 'demo', wantedVersion: '1.0.0' };
  const key = targetKey({ ...target, serviceName: 'other', brokerEndpoint: sharedBrokerEndpoint() });
  const before = new EndpointFile(file, 8, systemClock);
  before.set(key, endpointIn(directory, 'other'));
  before.close();
  const identityFile = join(directory, 'demo.identity.json');
  const pool = new BrokerPool({ ...target, identityFile, endpointCache: { file } });
  pool.clear();
  await pool.close();
  t.true(contentOf(file).answers.get(key)?.forgotten);
});
