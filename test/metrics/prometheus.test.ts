import { setImmediate as turn } from 'node:timers/promises';
import {
  AggregatorRegistry,
  Counter,
  register as globalRegister,
  Registry,
  type OpenMetricsContentType,
  type RegistryContentType,
} from 'prom-client';
import type { BrokerPool } from '../../src/index.js';
import { collector, type CollectorOptions } from '../../src/metrics/prometheus.js';
import { fakePool } from '../helpers/fake-pool.js';
import { failureOf } from '../helpers/pools.js';
import test from '../helpers/sanitary.js';
import { useInEveryWay } from './used-pool.js';

/** The samples of a scrape, by name and labels as they stand in the text. */
async function scrape(register: Registry<RegistryContentType>): Promise<Map<string, number>> {
  const text = await register.metrics();
  return new Map(
    [...text.matchAll(/^([a-z]\S+(?: \S+)*) (\S+)$/gm)].map(([, series = '', value]) => [
      series,
      Number(value),
    ]),
  );
}

/** A series of a pool as it stands in the text. */
const series = (name: string, pool: string, more = ''): string =>
  `${name}{db_client_connection_pool_name="${pool}"${more}}`;

test('each metric has the value of stats(), in seconds where it is a time', async (t) => {
  const used = fakePool(t, { max: 3, min: 1 });
  const { pool, pass } = used;
  const register = new Registry();
  collector(pool, { register });
  const leases = await useInEveryWay(used);
  const waiting = [pool.acquire(), pool.acquire()];
  await pass(250);
  const found = await scrape(register);
  const stats = pool.stats();
  const expected: [string, string, number][] = [
    ['db_client_connection_count', ',db_client_connection_state="idle"', stats.idle],
    ['db_client_connection_count', ',db_client_connection_state="used"', stats.leased],
    ['db_client_connection_idle_max', '', 3],
    ['db_client_connection_idle_min', '', 1],
    ['db_client_connection_max', '', 3],
    ['db_client_connection_pending_requests', '', 2],
    ['db_client_connection_timeouts_total', '', 1],
    ['broker_pool_acquire_served_total', ',broker_pool_route="hello-skip"', 0],
    ['broker_pool_acquire_served_total', ',broker_pool_route="broker-negotiated"', 3],
    ['broker_pool_acquire_failures_total', ',error_type="TIMEOUT"', 1],
    ['broker_pool_acquire_oldest_wait_seconds', '', 0.25],
    ['broker_pool_connect_active', ',broker_pool_connect_state="connecting"', stats.connecting],
    ['broker_pool_connect_active', ',broker_pool_connect_state="pausing"', stats.pausing],
    ['broker_pool_connect_failures_total', '', 1],
    ['broker_pool_connect_retries_total', '', 0],
    ['broker_pool_connection_created_total', ',broker_pool_route="broker-negotiated"', 2],
    ['broker_pool_connection_closed_total', ',broker_pool_close_reason="error"', 0],
    ['broker_pool_endpoint_cache_size', '', 0],
    ['db_client_connection_create_time_seconds_count', '', 2],
    ['db_client_connection_create_time_seconds_sum', '', 0.03],
    ['db_client_connection_wait_time_seconds_count', '', 3],
    ['db_client_connection_wait_time_seconds_sum', '', 0.03],
    ['db_client_connection_wait_time_seconds_bucket', ',le="0.0001"', 2],
    ['db_client_connection_wait_time_seconds_bucket', ',le="0.025"', 2],
    ['db_client_connection_wait_time_seconds_bucket', ',le="0.05"', 3],
    ['db_client_connection_wait_time_seconds_bucket', ',le="+Inf"', 3],
  ];
  for (const [name, more, value] of expected)
    t.is(found.get(series(name, pool.name, more)), value, name + more);
  t.deepEqual([stats.leased, stats.idle, stats.waiting], [2, 0, 2]);
  for (const lease of leases) lease.release();
  for (const lease of await Promise.all(waiting)) lease.release();
});

test('a pool that has not failed has a series at 0 for each code with which an acquire may fail', async (t) => {
  const { pool, fail } = fakePool(t);
  const register = new Registry();
  collector(pool, { register });
  const failuresOf = async (code: string): Promise<number | undefined> =>
    (await scrape(register)).get(
      series('broker_pool_acquire_failures_total', pool.name, `,error_type="${code}"`),
    );
  for (const code of ['TIMEOUT', 'QUEUE_FULL', 'ABORTED', 'POOL_CLOSED', 'REFUSED', 'BACKEND_CONNECT'])
    t.is(await failuresOf(code), 0, code);
  t.is(await failuresOf('BROKER_CONNECT'), 0);
  const failing = failureOf(pool.acquire());
  await fail();
  t.is((await failing).code, 'BROKER_CONNECT');
  t.is(await failuresOf('BROKER_CONNECT'), 1);
  t.is(await failuresOf('INVALID_ARGUMENT'), undefined);
});

test('the buckets of a histogram are those of stats(), counted up, with the bounds in seconds', async (t) => {
  const { pool, connect, pass } = fakePool(t);
  const register = new Registry();
  collector(pool, { register });
  for (const durationMs of [0.1, 0.2, 3, 700, 40_000]) {
    const acquiring = pool.acquire({ timeoutMs: 60_000 });
    await pass(durationMs);
    await connect();
    (await acquiring).destroy();
  }
  const found = await scrape(register);
  const { boundsMs, counts } = pool.stats().connectMs;
  let below = 0;
  for (const [index, boundMs] of boundsMs.entries()) {
    below += counts[index] ?? 0;
    const le = `,le="${boundMs / 1_000}"`;
    t.is(found.get(series('db_client_connection_create_time_seconds_bucket', pool.name, le)), below, le);
  }
  t.deepEqual(
    [below, found.get(series('db_client_connection_create_time_seconds_count', pool.name))],
    [4, 5],
  );
});

test('two pools on one registry are series of the same metrics, each until its collector stops', async (t) => {
  const register = new Registry();
  const one = collector(fakePool(t, { name: 'one', max: 1 }).pool, { register });
  const two = collector(fakePool(t, { name: 'two', max: 2 }).pool, { register });
  const limits = async (): Promise<unknown[]> => {
    const found = await scrape(register);
    return ['one', 'two'].map((name) => found.get(series('db_client_connection_max', name)));
  };
  t.deepEqual(await limits(), [1, 2]);
  one.stop();
  one.stop();
  t.deepEqual(await limits(), [undefined, 2]);
  two[Symbol.dispose]();
  t.deepEqual(register.getMetricsAsArray(), []);
});

test('a collector takes several pools, and the metrics leave with the last of them', async (t) => {
  const register = new Registry();
  const pools = ['a', 'b'].map((name) => fakePool(t, { name }).pool);
  const both = collector(pools, { register });
  const found = await scrape(register);
  for (const name of ['a', 'b']) t.is(found.get(series('db_client_connection_max', name)), 10);
  both.stop();
  t.is(await register.metrics(), '\n');
});

test('the global registry is the default', async (t) => {
  const metrics = collector(fakePool(t, { name: 'global' }).pool);
  t.is((await scrape(globalRegister)).get(series('db_client_connection_max', 'global')), 10);
  metrics.stop();
  t.deepEqual(globalRegister.getMetricsAsArray(), []);
});

test('a pool that has closed leaves the registry, so that another pool may have its name', async (t) => {
  const register = new Registry();
  const { pool } = fakePool(t, { name: 'again', max: 1 });
  collector(pool, { register });
  const limit = async (): Promise<unknown> =>
    (await scrape(register)).get(series('db_client_connection_max', 'again'));
  t.is(await limit(), 1);
  await pool.close();
  t.is(await limit(), undefined);
  collector(fakePool(t, { name: 'again', max: 2 }).pool, { register });
  t.is(await limit(), 2);
});

test('a pool that is closing is still measured', async (t) => {
  const register = new Registry();
  const { pool, connect } = fakePool(t);
  collector(pool, { register });
  const acquiring = pool.acquire();
  await connect();
  const lease = await acquiring;
  const closing = pool.close();
  const used = series('db_client_connection_count', pool.name, ',db_client_connection_state="used"');
  t.is((await scrape(register)).get(used), 1);
  lease.release();
  await closing;
});

test('byTarget makes one series for each target, with its own limits', async (t) => {
  const register = new Registry();
  const { pool, connect, driver } = fakePool(t, { max: 5, min: 1, maxTotal: 8 });
  const metrics = collector(pool, { register, byTarget: true });
  const acquiring = [pool.acquire(), pool.acquire({ serviceName: 'other', wantedVersion: '2.0.0' })];
  while (driver.pending.size > 0) await connect();
  const leases = await Promise.all(acquiring);
  const found = await scrape(register);
  for (const [service, version, min] of [
    ['demo', '1.0.0', 1],
    ['other', '2.0.0', 0],
  ] as const) {
    const target = `,broker_pool_target_service="${service}",broker_pool_target_version="${version}"`;
    const used = `${target},db_client_connection_state="used"`;
    t.is(found.get(series('db_client_connection_count', pool.name, used)), 1);
    t.is(found.get(series('db_client_connection_max', pool.name, target)), 5);
    t.is(found.get(series('db_client_connection_idle_min', pool.name, target)), min);
  }
  t.is(found.get(series('db_client_connection_max', pool.name)), undefined);
  metrics.stop();
  collector(pool, { register });
  t.is((await scrape(register)).get(series('db_client_connection_max', pool.name)), 8, 'maxTotal');
  for (const lease of leases) lease.release();
});

test('all values of a scrape are of one moment', async (t) => {
  const register = new Registry();
  const { pool } = fakePool(t);
  let calls = 0;
  const stats = pool.stats.bind(pool);
  pool.stats = () => {
    calls += 1;
    return stats();
  };
  collector(pool, { register });
  await register.metrics();
  t.is(calls, 1);
  await turn();
  await register.getMetricsAsJSON();
  t.is(calls, 2);
});

test.serial('a pool whose stats() throws is left out with one warning, and the others stay', async (t) => {
  const register = new Registry();
  const broken = fakePool(t, { name: 'broken' }).pool;
  broken.stats = () => {
    throw new Error('no stats today');
  };
  collector([broken, fakePool(t, { name: 'whole' }).pool], { register });
  const warnings: string[] = [];
  const own = Object.getOwnPropertyDescriptor(process, 'emitWarning') ?? {};
  t.teardown(() => Object.defineProperty(process, 'emitWarning', own));
  Object.defineProperty(process, 'emitWarning', {
    ...own,
    value: (warning: unknown) => warnings.push(String(warning)),
  });
  for (let scrapes = 0; scrapes < 2; scrapes++) {
    const found = await scrape(register);
    t.is(found.get(series('db_client_connection_max', 'whole')), 10);
    t.is(found.get(series('db_client_connection_max', 'broken')), undefined);
  }
  t.deepEqual(warnings, ['the metrics of pool "broken" cannot be read: no stats today']);
});

test('a registry that has another metric of the same name is refused, and gets nothing', (t) => {
  const register = new Registry();
  const theirs = new Counter({
    name: 'db_client_connection_timeouts_total',
    help: 'theirs',
    registers: [register],
  });
  const { pool } = fakePool(t);
  t.throws(() => collector(pool, { register }), {
    code: 'INVALID_ARGUMENT',
    message: /^register has another metric named "db_client_connection_timeouts_total"/,
  });
  t.deepEqual(register.getMetricsAsArray().length, 1);
  register.removeSingleMetric('db_client_connection_timeouts_total');
  t.notThrows(() => collector(pool, { register }));
  t.truthy(theirs);
});

test('a pool that the registry has already is refused', (t) => {
  const register = new Registry();
  const { pool } = fakePool(t);
  const first = collector(pool, { register });
  t.throws(() => collector(pool, { register }), {
    code: 'INVALID_ARGUMENT',
    message: /^pool is measured here already: "broker-pool-/,
  });
  first.stop();
  t.notThrows(() => collector(pool, { register }));
});

test('a registry that was cleared gets the metrics again with the next collector', async (t) => {
  const register = new Registry();
  const { pool } = fakePool(t);
  const first = collector(pool, { register });
  register.clear();
  t.is((await scrape(register)).size, 0);
  collector(fakePool(t).pool, { register });
  t.is((await scrape(register)).get(series('db_client_connection_max', pool.name)), 10);
  t.notThrows(() => first.stop());
});

test('resetting the metrics of the registry does not touch the counters of the pool', async (t) => {
  const register = new Registry();
  const { pool, connect } = fakePool(t);
  collector(pool, { register });
  const acquiring = pool.acquire();
  await connect();
  (await acquiring).release();
  register.resetMetrics();
  const created = series(
    'broker_pool_connection_created_total',
    pool.name,
    ',broker_pool_route="broker-negotiated"',
  );
  t.is((await scrape(register)).get(created), 1);
});

test('the processes of a cluster add up, and the oldest wait is the longest', async (t) => {
  const { pool, connect, pass } = fakePool(t, { max: 1 });
  const register = new Registry();
  collector(pool, { register });
  const acquiring = pool.acquire();
  await pass(30);
  await connect();
  const lease = await acquiring;
  const waiting = pool.acquire();
  await pass(500);
  const process = await register.getMetricsAsJSON();
  const found = await scrape(AggregatorRegistry.aggregate([process, structuredClone(process)]));
  t.is(found.get(series('db_client_connection_max', pool.name)), 2);
  t.is(found.get(series('broker_pool_acquire_oldest_wait_seconds', pool.name)), 0.5);
  const bucket = 'db_client_connection_wait_time_seconds_bucket';
  const counts = [...found].filter(([name]) => name.startsWith(bucket) && name.includes('le="0.05"'));
  t.deepEqual(
    counts.map(([, value]) => value),
    [2],
  );
  lease.release();
  (await waiting).release();
});

test('a registry of the OpenMetrics format has each counter once, with _total', async (t) => {
  const register = new Registry<OpenMetricsContentType>();
  register.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  const metrics = collector(fakePool(t).pool, { register });
  for (let scrapes = 0; scrapes < 2; scrapes++) {
    const text = await register.metrics();
    t.regex(text, /^# TYPE db_client_connection_timeouts counter$/m);
    t.regex(text, /^db_client_connection_timeouts_total\{/m);
    t.notRegex(text, /_total_total/);
  }
  metrics.stop();
  t.deepEqual(register.getMetricsAsArray(), []);
});

const wrong: [string, unknown, unknown, RegExp][] = [
  ['no pool', undefined, {}, /^pool must be a BrokerPool/],
  ['a pool that is none', {}, {}, /^pool must be a BrokerPool/],
  ['a registry that is none', undefined, { register: {} }, /^register must be a Registry/],
  ['an unknown option', undefined, { registry: {} }, /registry/],
  ['byTarget that is no boolean', undefined, { byTarget: 1 }, /^byTarget must be true or false/],
];
for (const [what, pool, options, message] of wrong)
  test(`${what} is refused`, (t) => {
    const given: [BrokerPool, CollectorOptions] = [fakePool(t).pool, {}];
    if (what.includes('pool')) Object.assign(given, { 0: pool });
    Object.assign(given, { 1: options });
    t.throws(() => collector(...given), { code: 'INVALID_ARGUMENT', message });
  });
