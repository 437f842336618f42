import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { metrics } from '@opentelemetry/api';
import {
  AggregationTemporality,
  DataPointType,
  MeterProvider,
  MetricReader,
  type DataPoint,
  type MetricData,
} from '@opentelemetry/sdk-metrics';
import { HISTOGRAMS, NO_FAILURES, NUMBERS } from '../../src/metrics/instruments.js';
import {
  histogramProducer,
  instrument,
  type InstrumentOptions,
  type Instrumentation,
} from '../../src/metrics/opentelemetry.js';
import { fakePool, settled } from '../helpers/fake-pool.js';
import test from '../helpers/sanitary.js';
import { useInEveryWay } from './used-pool.js';

class Reader extends MetricReader {
  protected async onShutdown(): Promise<void> {}

  protected async onForceFlush(): Promise<void> {}
}

/** A real SDK whose reader collects when the test says so. */
function openSdk(): { meterProvider: MeterProvider; collect: () => Promise<MetricData[]> } {
  const reader = new Reader({ metricProducers: [histogramProducer()] });
  const meterProvider = new MeterProvider({ readers: [reader] });
  return {
    meterProvider,
    async collect() {
      const { resourceMetrics, errors } = await reader.collect();
      if (errors.length > 0) throw new AggregateError(errors);
      return resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
    },
  };
}

/** The values of a pool's series of one metric, by the attributes that follow the pool's name. */
function valuesOf(all: readonly MetricData[], name: string, pool: string): Record<string, unknown> {
  const points = all
    .filter(({ descriptor }) => descriptor.name === name)
    .flatMap(({ dataPoints }): readonly DataPoint<unknown>[] => dataPoints);
  return Object.fromEntries(
    points
      .filter(({ attributes }) => attributes['db.client.connection.pool.name'] === pool)
      .map(({ attributes, value }) => {
        const { 'db.client.connection.pool.name': _pool, ...own } = attributes;
        return [Object.values(own).join(' '), value];
      }),
  );
}

test('each instrument has the value of stats(), with the name, kind and unit of the table', async (t) => {
  const { meterProvider, collect } = openSdk();
  const used = fakePool(t, { max: 3, min: 1 });
  const { pool, pass } = used;
  const metricsOfPool = instrument(pool, { meterProvider });
  const leases = await useInEveryWay(used);
  const waiting = pool.acquire();
  await pass(250);
  const all = await collect();
  const expected: Record<string, Record<string, number>> = {
    'db.client.connection.count': { idle: 0, used: 2 },
    'db.client.connection.idle.max': { '': 3 },
    'db.client.connection.idle.min': { '': 1 },
    'db.client.connection.max': { '': 3 },
    'db.client.connection.pending_requests': { '': 1 },
    'db.client.connection.timeouts': { '': 1 },
    'broker_pool.acquire.served': { 'hello-skip': 0, 'broker-negotiated': 3, 'handle-passed': 0 },
    'broker_pool.acquire.failures': { ...NO_FAILURES, TIMEOUT: 1 },
    'broker_pool.acquire.oldest_wait': { '': 0.25 },
    'broker_pool.connect.active': { connecting: pool.stats().connecting, pausing: 0 },
    'broker_pool.connect.failures': { '': 1 },
    'broker_pool.connect.retries': { '': 0 },
    'broker_pool.connection.created': { 'hello-skip': 0, 'broker-negotiated': 2, 'handle-passed': 0 },
    'broker_pool.connection.closed': { ...pool.stats().closedByReason },
    'broker_pool.endpoint_cache.size': { '': 0 },
  };
  t.deepEqual(
    Object.keys(expected),
    NUMBERS.map(({ name }) => name),
  );
  const types = { Counter: DataPointType.SUM, UpDownCounter: DataPointType.SUM, Gauge: DataPointType.GAUGE };
  for (const { name, kind, unit, description } of NUMBERS) {
    t.deepEqual(valuesOf(all, name, pool.name), expected[name], name);
    const metric = all.find(({ descriptor }) => descriptor.name === name);
    t.like(metric?.descriptor, { unit, description });
    t.is(metric?.dataPointType, types[kind], name);
    if (metric?.dataPointType === DataPointType.SUM) t.is(metric.isMonotonic, kind === 'Counter', name);
  }
  metricsOfPool.stop();
  for (const lease of leases) lease.release();
  (await waiting).release();
});

test('the histograms reach a reader as histograms, with the buckets of stats() in seconds', async (t) => {
  const { meterProvider, collect } = openSdk();
  const { pool, connect, pass } = fakePool(t);
  const instrumentation = instrument(pool, { meterProvider });
  for (const durationMs of [0.1, 0.2, 3, 700, 40_000]) {
    const acquiring = pool.acquire({ timeoutMs: 60_000 });
    await pass(durationMs);
    await connect();
    (await acquiring).destroy();
  }
  const all = await collect();
  const { waitMs, connectMs, useMs } = pool.stats();
  const [createTime, waitTime, useTime] = HISTOGRAMS.map(({ name }) => name);
  for (const [name = '', histogram] of [
    [createTime, connectMs],
    [waitTime, waitMs],
    [useTime, useMs],
  ] as const) {
    const metric = all.find(({ descriptor }) => descriptor.name === name);
    t.like(metric, {
      descriptor: { unit: 's' },
      dataPointType: DataPointType.HISTOGRAM,
      aggregationTemporality: AggregationTemporality.CUMULATIVE,
    });
    t.deepEqual(valuesOf(all, name, pool.name), {
      '': {
        buckets: {
          boundaries: histogram.boundsMs.map((boundMs) => boundMs / 1_000),
          counts: [...histogram.counts],
        },
        count: 5,
        sum: histogram.sumMs / 1_000,
      },
    });
    const [point] = metric?.dataPoints ?? [];
    const [start = 0, end = 0] = [point?.startTime[0], point?.endTime[0]];
    t.true(start > 1_600_000_000 && start <= end);
  }
  instrumentation.stop();
});

test('a stopped instrumentation observes nothing, and its pool may be instrumented again', async (t) => {
  const { meterProvider, collect } = openSdk();
  const { pool } = fakePool(t);
  const first = instrument(pool, { meterProvider });
  t.throws(() => instrument(pool, { meterProvider }), {
    code: 'INVALID_ARGUMENT',
    message: /^pool is measured here already/,
  });
  first.stop();
  first.stop();
  const seen = async (): Promise<unknown[]> => {
    const all = await collect();
    return ['max', 'wait_time'].map((name) => valuesOf(all, `db.client.connection.${name}`, pool.name)['']);
  };
  t.deepEqual(await seen(), [undefined, undefined]);
  const again = instrument(pool, { meterProvider });
  t.is((await seen())[0], 10);
  again[Symbol.dispose]();
  pool.stats = () => {
    throw new Error('asked again');
  };
  // The SDK repeats the last value of a series that is not observed any more.
  t.deepEqual(await seen(), [10, undefined]);
});

test('two pools are series of the same instruments', async (t) => {
  const { meterProvider, collect } = openSdk();
  const [one, two, three] = [fakePool(t, { max: 1 }), fakePool(t, { max: 2 }), fakePool(t, { max: 3 })];
  const stops = [
    instrument([one.pool, two.pool], { meterProvider }),
    instrument(three.pool, { meterProvider }),
  ];
  const all = await collect();
  t.deepEqual(
    [one, two, three].map(({ pool }) => valuesOf(all, 'db.client.connection.max', pool.name)['']),
    [1, 2, 3],
  );
  t.is(all.filter(({ descriptor }) => descriptor.name === 'db.client.connection.max').length, 1);
  for (const each of stops) each.stop();
});

test('a pool that has closed is observed once more, without connections, and then let go', async (t) => {
  const { meterProvider, collect } = openSdk();
  const { pool, connect } = fakePool(t, { min: 1 });
  const instrumentation = instrument(pool, { meterProvider });
  await settled();
  await connect();
  const seen = async (): Promise<unknown[]> => {
    const all = await collect();
    return ['count', 'max', 'idle.min', 'create_time'].map((name) =>
      valuesOf(all, `db.client.connection.${name}`, pool.name),
    );
  };
  t.like(await seen(), [{ idle: 1, used: 0 }, { '': 10 }, { '': 1 }, { '': { count: 1 } }]);
  await pool.close();
  t.like(await seen(), [{ idle: 0, used: 0 }, { '': 0 }, { '': 0 }, { '': { count: 1 } }]);
  pool.stats = () => {
    throw new Error('asked again');
  };
  t.like(await seen(), [{ idle: 0, used: 0 }, { '': 0 }, { '': 0 }, {}]);
  t.notThrows(() => instrumentation.stop());
});

test('a pool that takes the name of one that has closed is observed in its place', async (t) => {
  const { meterProvider, collect } = openSdk();
  const { pool } = fakePool(t, { max: 1 });
  const stops = [instrument(pool, { meterProvider })];
  await pool.close();
  const next = fakePool(t, { name: pool.name, max: 2 }).pool;
  stops.push(instrument(next, { meterProvider }));
  t.deepEqual(valuesOf(await collect(), 'db.client.connection.max', pool.name), { '': 2 });
  for (const each of stops) each.stop();
});

test('byTarget makes one series for each target', async (t) => {
  const { meterProvider, collect } = openSdk();
  const { pool, connect, driver } = fakePool(t, { max: 5 });
  const instrumentation = instrument(pool, { meterProvider, byTarget: true });
  const acquiring = [pool.acquire(), pool.acquire({ serviceName: 'other', wantedVersion: '2.0.0' })];
  while (driver.pending.size > 0) await connect();
  const leases = await Promise.all(acquiring);
  const all = await collect();
  t.deepEqual(valuesOf(all, 'db.client.connection.count', pool.name), {
    'demo 1.0.0 idle': 0,
    'demo 1.0.0 used': 1,
    'other 2.0.0 idle': 0,
    'other 2.0.0 used': 1,
  });
  t.deepEqual(Object.keys(valuesOf(all, 'db.client.connection.wait_time', pool.name)), [
    'demo 1.0.0',
    'other 2.0.0',
  ]);
  for (const lease of leases) lease.release();
  instrumentation.stop();
});

test.serial('the global meter provider is the default', async (t) => {
  const { meterProvider, collect } = openSdk();
  metrics.setGlobalMeterProvider(meterProvider);
  t.teardown(() => metrics.disable());
  const { pool } = fakePool(t);
  const instrumentation = instrument(pool);
  t.deepEqual(valuesOf(await collect(), 'db.client.connection.max', pool.name), { '': 10 });
  instrumentation.stop();
});

test('without spans, a pool has no listener and makes no event', (t) => {
  const { meterProvider } = openSdk();
  const { pool } = fakePool(t);
  const before = pool.eventNames();
  const instrumentation: Instrumentation = instrument(pool, { meterProvider });
  t.deepEqual(pool.eventNames(), before);
  instrumentation.stop();
});

const wrong: [string, object, RegExp][] = [
  ['a meter provider that is none', { meterProvider: {} }, /^meterProvider must be a MeterProvider/],
  ['a tracer provider that is none', { tracerProvider: {} }, /^tracerProvider must be a TracerProvider/],
  [
    'a tracer provider without spans',
    { tracerProvider: new BasicTracerProvider() },
    /^tracerProvider needs spans, .* or leave tracerProvider out$/,
  ],
  ['spans that is no boolean', { spans: 'yes' }, /^spans must be true or false/],
  ['an unknown option', { meter: {} }, /meter/],
];
for (const [what, options, message] of wrong)
  test(`${what} is refused`, (t) => {
    const given: InstrumentOptions = {};
    Object.assign(given, options);
    const { pool } = fakePool(t);
    t.throws(() => instrument(pool, given), { code: 'INVALID_ARGUMENT', message });
    t.notThrows(() => instrument(pool).stop());
  });
