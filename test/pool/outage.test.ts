import { lastingSystem } from '../helpers/lasting-system.js';
import { until } from '../helpers/leftovers.js';
import { Load } from '../helpers/load.js';
import { patience, scaled } from '../helpers/patience.js';
import { openPool } from '../helpers/pools.js';
import type { ProcessSystem } from '../helpers/process-system.js';
import test from '../helpers/sanitary.js';

const CALLERS = 20;
/**
 * A process of Windows may take a second under Wine to be killed or to start, and all others wait for that. On a busy
 * machine a caller waits as long for its turn.
 */
const TIMEOUT_MS = scaled(1_000);
/** More than any machine needs to get round to a timer. */
const PATIENCE_MS = 2_000 * patience();

interface Outage {
  readonly kill: (system: ProcessSystem) => Promise<unknown>;
  readonly restart: (system: ProcessSystem) => Promise<unknown>;
  /** The codes that callers may get meanwhile. */
  readonly codes: readonly string[];
}

const outages: Readonly<Record<string, Outage>> = {
  'the broker': {
    kill: (system) => system.broker.kill(),
    restart: (system) => system.startBroker(),
    codes: ['BROKER_CONNECT', 'UNEXPECTED_EOF', 'FRAME_IO', 'TIMEOUT'],
  },
  'the backend': {
    kill: (system) => system.backend.kill(),
    restart: (system) => system.startBackend(),
    codes: ['BACKEND_CONNECT', 'TIMEOUT'],
  },
  both: {
    kill: (system) => Promise.all([system.broker.kill(), system.backend.kill()]),
    restart: (system) => Promise.all([system.startBroker(), system.startBackend()]),
    codes: ['BROKER_CONNECT', 'BACKEND_CONNECT', 'UNEXPECTED_EOF', 'FRAME_IO', 'TIMEOUT'],
  },
};

const systemOf = lastingSystem();

for (const cached of [true, false]) {
  for (const [what, { kill, restart, codes }] of Object.entries(outages)) {
    test.serial(
      `${what} killed and started again under load, ${cached ? 'with' : 'without'} known endpoints: all is answered, and the pool is full again by itself`,
      async (t) => {
        const system = await systemOf(t);
        const pool = openPool(t, system.target, {
          min: 4,
          max: 8,
          ...(cached ? {} : { endpointCache: false as const }),
        });
        await pool.warm();
        const load = new Load(pool, CALLERS, TIMEOUT_MS);
        t.true(await until(() => load.answers > 200));
        await kill(system);
        const failures = load.errors.length + pool.stats().connectFailures;
        // With known endpoints a broker that is away is not even noticed.
        const unnoticed = cached && what === 'the broker';
        const answers = load.answers;
        t.true(
          await until(() =>
            unnoticed
              ? load.answers > answers + 200
              : load.errors.length + pool.stats().connectFailures > failures,
          ),
        );
        await restart(system);
        const before = load.answers;
        t.true(await until(() => load.answers > before + 200), 'callers are served again');
        await load.stop();
        t.true(
          await until(() => pool.stats().idle >= 4 && pool.stats().connecting === 0),
          'the pool refills without a caller',
        );
        t.like(pool.stats(), { waiting: 0, leased: 0 });
        t.deepEqual(
          [...load.codes].filter((code) => !codes.includes(code)),
          [],
        );
        t.true(load.longestMs < TIMEOUT_MS + PATIENCE_MS, `an acquire took ${load.longestMs} ms`);
        if (unnoticed) t.is(load.errors.length, 0);
        t.log(
          `${load.answers} answers, ${load.errors.length} errors: ${[...load.codes].join(', ')}; longest acquire ${Math.round(load.longestMs)} ms`,
        );
        await pool.close();
      },
    );
  }
}
