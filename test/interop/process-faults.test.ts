import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { BrokerPool, BrokerPoolError, type BrokerPoolOptions, type ErrorCode } from '../../src/index.js';
import { until } from '../helpers/leftovers.js';
import { ask } from '../helpers/talk.js';
import { interopTest, program } from './interop.js';
import { RealBroker } from './real-broker.js';

const SHORT_MS = 200;

function poolOf({ endpoints }: RealBroker, options: BrokerPoolOptions = {}): BrokerPool {
  return new BrokerPool({
    brokerEndpoint: endpoints.broker,
    serviceName: endpoints.service,
    wantedVersion: endpoints.version,
    ...options,
  });
}

async function works(t: ExecutionContext, pool: BrokerPool): Promise<void> {
  await pool.use(async ({ socket }) => t.is(await ask(socket, 'works'), 'works'));
}

async function fails(t: ExecutionContext, pool: BrokerPool, code: ErrorCode): Promise<void> {
  const error = await t.throwsAsync(pool.acquire({ timeoutMs: 5_000 }), { instanceOf: BrokerPoolError });
  t.is(error?.code, code);
}

interopTest(
  'the real broker and its backend are killed and come back: so does the pool (G-13, G-18)',
  async (t) => {
    const real = await RealBroker.start(program, 'accept');
    for (const adoptHandedOffConnection of [false, true, 'auto'] as const) {
      const pool = poolOf(real, { adoptHandedOffConnection });
      await works(t, pool);
      await real.kill();
      t.true(await until(() => pool.stats().total === 0), 'what was idle is gone at once');
      await fails(t, pool, 'BROKER_CONNECT');
      await real.restart();
      await works(t, pool);
      await pool.close();
    }
    await real.stop();
  },
);

interopTest(
  'callers of a stopped real broker get TIMEOUT; it resumes, the pool works, and it has not restarted (G-01, G-16, V-31)',
  async (t) => {
    const real = await RealBroker.start(program);
    const pool = poolOf(real);
    real.pause();
    for (const outcome of await Promise.allSettled(
      Array.from({ length: 5 }, () => pool.acquire({ timeoutMs: SHORT_MS })),
    )) {
      t.like(outcome, { status: 'rejected', reason: { code: 'TIMEOUT', phase: 'hello' } });
    }
    real.resume();
    t.true(await until(() => pool.stats().idle > 0), 'what was begun has ended well');
    await works(t, pool);
    t.is((await real.stats()).restarts, 0);
    await pool.close();
    await real.stop();
  },
);

interopTest(
  'a pool that is destroyed while the real broker is stopped does not end it (G-16, V-31)',
  async (t) => {
    const real = await RealBroker.start(program);
    real.pause();
    const pool = poolOf(real, { roundTripTimeoutMs: SHORT_MS, maxConnecting: 8, endpointCache: false });
    await Promise.allSettled(Array.from({ length: 8 }, () => pool.acquire()));
    await pool.destroy();
    real.resume();
    const next = poolOf(real);
    await works(t, next);
    t.is((await real.stats()).restarts, 0);
    await next.close();
    await real.stop();
  },
);

interopTest(
  "the real broker's socket file is removed, and replaced by a directory and a file (G-13)",
  async (t) => {
    const real = await RealBroker.start(program);
    const pool = poolOf(real, { endpointCache: false });
    const { broker } = real.endpoints;
    const take = async (): Promise<void> => (await pool.acquire()).destroy();
    await take();
    rmSync(broker);
    await fails(t, pool, 'BROKER_CONNECT');
    mkdirSync(broker);
    await fails(t, pool, 'BROKER_CONNECT');
    rmSync(broker, { recursive: true });
    writeFileSync(broker, 'not a socket');
    await fails(t, pool, 'BROKER_CONNECT');
    rmSync(broker);
    await real.kill();
    await real.restart();
    await take();
    await pool.close();
    await real.stop();
  },
);
