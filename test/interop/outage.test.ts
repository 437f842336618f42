import type { ExecutionContext } from 'ava';
import { BrokerPool, type BrokerPoolOptions } from '../../src/index.js';
import { until } from '../helpers/leftovers.js';
import { Load } from '../helpers/load.js';
import { interopTest, program } from './interop.js';
import { RealBroker } from './real-broker.js';

const CALLERS = 20;
const TIMEOUT_MS = 1_000;
/** More than any machine needs to get round to a timer. */
const PATIENCE_MS = 1_000;

function openPool(
  t: ExecutionContext,
  { endpoints }: RealBroker,
  options: BrokerPoolOptions = {},
): BrokerPool {
  const { broker: brokerEndpoint, service: serviceName, version: wantedVersion } = endpoints;
  const pool = new BrokerPool({ brokerEndpoint, serviceName, wantedVersion, min: 4, max: 8, ...options });
  t.teardown(() => pool.destroy());
  return pool;
}

for (const [how, options] of [
  ['with', {}],
  ['without', { endpointCache: false }],
] as const) {
  interopTest(
    `the real broker and its backend killed and started again under load, ${how} known endpoints: all is answered, and the pool is full again`,
    async (t) => {
      const real = await RealBroker.start(program);
      t.teardown(() => real.stop());
      const pool = openPool(t, real, options);
      await pool.warm();
      const load = new Load(pool, CALLERS, TIMEOUT_MS);
      t.teardown(() => load.stop());
      t.true(await until(() => load.answers > 200));
      await real.kill();
      t.true(await until(() => load.errors.length > 0));
      await real.restart();
      const before = load.answers;
      t.true(await until(() => load.answers > before + 200), 'callers are served again');
      await load.stop();
      t.true(
        await until(() => pool.stats().idle >= 4 && pool.stats().connecting === 0),
        'the pool refills without a caller',
      );
      const expected = ['BROKER_CONNECT', 'BACKEND_CONNECT', 'UNEXPECTED_EOF', 'FRAME_IO', 'TIMEOUT'];
      t.deepEqual(
        [...load.codes].filter((code) => !expected.includes(code)),
        [],
      );
      t.true(load.longestMs < TIMEOUT_MS + PATIENCE_MS, `an acquire took ${load.longestMs} ms`);
      t.log(
        `${load.answers} answers, ${load.errors.length} errors: ${[...load.codes].join(', ')}; longest acquire ${Math.round(load.longestMs)} ms`,
      );
      await pool.close();
      t.is((await real.stats()).restarts, 0, 'no client hung up on a broker that owed a reply');
    },
  );
}

interopTest(
  'while the real broker is stopped callers get TIMEOUT in time, and afterwards connections',
  async (t) => {
    const real = await RealBroker.start(program);
    t.teardown(() => real.stop());
    const pool = openPool(t, real, { min: 0, max: 4, endpointCache: false });
    await pool.use(() => {});
    pool.clear();
    real.pause();
    t.teardown(() => real.resume());
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, () => pool.acquire({ timeoutMs: 200 })),
    );
    let timeouts = 0;
    for (const outcome of outcomes) {
      // It takes a moment until all threads of a process stand still.
      if (outcome.status === 'fulfilled') outcome.value.destroy();
      else if (t.is(outcome.reason.code, 'TIMEOUT')) timeouts += 1;
    }
    t.true(timeouts > 0);
    real.resume();
    const load = new Load(pool, CALLERS, 10_000);
    t.true(await until(() => load.answers > 100));
    await load.stop();
    t.deepEqual(load.errors, []);
    await pool.close();
    t.is((await real.stats()).restarts, 0);
  },
);
