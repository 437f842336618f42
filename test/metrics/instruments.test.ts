import { HISTOGRAMS, NUMBERS, prometheusName, type Instrument } from '../../src/metrics/instruments.js';
import { MeasuredPools } from '../../src/metrics/reading.js';
import { fakePool } from '../helpers/fake-pool.js';
import test from '../helpers/sanitary.js';

const all: readonly Instrument[] = [...NUMBERS, ...HISTOGRAMS];

test('each count of stats() is read by a metric, or is the sum of counts that are', async (t) => {
  const { pool, connect } = fakePool(t);
  const acquiring = pool.acquire();
  await connect();
  (await acquiring).release();
  const pools = new MeasuredPools(false);
  pools.add([pool], true);
  const [reading] = pools.read();
  if (reading === undefined) return t.fail('the pool has no target');
  const {
    brokerEndpoint: _endpoint,
    serviceName: _service,
    wantedVersion: _version,
    ...counts
  } = pool.stats().targets[0]!;
  const unread = new Set(Object.keys(counts));
  const watched = new Proxy(reading.counts, {
    get(target, name, receiver): unknown {
      unread.delete(String(name));
      return Reflect.get(target, name, receiver);
    },
  });
  for (const instrument of all) instrument.read({ ...reading, counts: watched });
  // `min` is read beside the counts.
  t.deepEqual([...unread].toSorted(), ['created', 'detached', 'leased', 'min']);
});

test('names are unique, and those of Prometheus end as its conventions say', (t) => {
  for (const names of [all.map(({ name }) => name), all.map((instrument) => prometheusName(instrument))])
    t.is(new Set(names).size, all.length);
  for (const instrument of all) {
    const name = prometheusName(instrument);
    t.regex(name, /^(?:db_client_connection|broker_pool)_[a-z_]+$/);
    t.is(name.endsWith('_total'), instrument.kind === 'Counter', name);
    t.is(/_seconds(?:_total)?$/.test(name), instrument.unit === 's', name);
  }
});

test('a metric has an attribute of its own where it has several numbers, and only there', (t) => {
  const { pool } = fakePool(t);
  const pools = new MeasuredPools(false);
  pools.add([pool], false);
  for (const reading of pools.read())
    for (const instrument of NUMBERS) {
      const { name, attribute } = instrument;
      t.is(typeof instrument.read(reading) === 'object', attribute !== undefined, name);
    }
});
