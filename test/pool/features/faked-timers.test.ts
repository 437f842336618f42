/** Fake timers and clocks, as test frameworks put them in place of the global ones for a while. */
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicNowMs as realNowMs } from '../../../src/clock.js';
import { BrokerPool, type BrokerPoolOptions } from '../../../src/index.js';
import { until } from '../../helpers/leftovers.js';
import { failureOf } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';
import { echo, startSystem } from '../../helpers/system.js';

/** A timer that never comes due. */
const deadTimer = { ref: () => deadTimer, unref: () => deadTimer, hasRef: () => true };
const noTimer = (): typeof deadTimer => deadTimer;
const nothing = (): void => {};
class StoppedDate extends Date {
  static override now(): number {
    return 0;
  }
}

/**
 * The functions that the frameworks replace, by their objects. `nextTick` stays real: Node's own sockets stop
 * without it.
 */
const TIMERS = { setTimeout: noTimer, clearTimeout: nothing, setInterval: noTimer, clearInterval: nothing };
const IMMEDIATES = { setImmediate: noTimer, clearImmediate: nothing };
const FAKES: Readonly<Record<string, readonly (readonly [target: object, fakes: object])[]>> = {
  timers: [[globalThis, TIMERS]],
  immediates: [[globalThis, IMMEDIATES]],
  clocks: [
    [performance, { now: () => 0 }],
    [process, { hrtime: () => [0, 0] }],
    [globalThis, { Date: StoppedDate }],
  ],
  'the microtask queue': [[globalThis, { queueMicrotask: nothing }]],
  'the performance object': [[globalThis, { performance: { now: () => 0 } }]],
  'everything but nextTick': [
    [
      globalThis,
      { ...TIMERS, ...IMMEDIATES, queueMicrotask: nothing, Date: StoppedDate, performance: { now: () => 0 } },
    ],
    [process, { hrtime: () => [0, 0] }],
  ],
};

/** Replaces a property. Returns a function that restores it. */
function replace(target: object, name: string, value: unknown): () => void {
  const real = Object.getOwnPropertyDescriptor(target, name);
  Object.defineProperty(target, name, { value, configurable: true, writable: true });
  return () => {
    if (real === undefined) Reflect.deleteProperty(target, name);
    else Object.defineProperty(target, name, real);
  };
}

async function faked(
  fakes: readonly (readonly [target: object, fakes: object])[],
  work: () => Promise<void>,
): Promise<void> {
  const restore = fakes.flatMap(([target, replaced]) =>
    Object.entries(replaced).map(([name, value]) => replace(target, name, value)),
  );
  try {
    await work();
  } finally {
    for (const putBack of restore) putBack();
  }
}

for (const [what, fakes] of Object.entries(FAKES)) {
  test.serial(
    `with ${what} faked a pool connects, and its time passes once they are real again`,
    async (t) => {
      const { target } = await startSystem(t);
      const options: BrokerPoolOptions = { ...target, max: 1, idleTimeoutMs: 300 };
      const pool = new BrokerPool(options);
      await faked(fakes, async () => {
        t.is(await pool.use(({ socket }) => echo(socket, 'faked')), 'faked');
      });
      t.is(await pool.use(({ socket }) => echo(socket, 'real')), 'real');
      t.true(await until(() => pool.stats().idle === 0), 'the idle connection is closed');
      const lease = await pool.acquire();
      t.is((await failureOf(pool.acquire({ timeoutMs: 100 }))).code, 'TIMEOUT');
      lease.release();
      await pool.close();
    },
  );

  test.serial(`a pool that is made and used with ${what} faked keeps its deadlines`, async (t) => {
    const { target, broker } = await startSystem(t);
    await faked(fakes, async () => {
      const pool = new BrokerPool({ ...target, max: 1, min: 1, endpointCache: { ttlMs: 20 } });
      await pool.use(({ socket }) => echo(socket, 'faked'));
      const lease = await pool.acquire();
      t.is((await failureOf(pool.acquire({ timeoutMs: 30 }))).code, 'TIMEOUT');
      lease.destroy();
      await sleep(40);
      (await pool.acquire()).release();
      t.is(broker.helloCount, 2, 'the remembered endpoint has had its time');
      await pool.close({ timeoutMs: 1_000 });
    });
  });

  test.serial(`a refused connect is tried again with ${what} faked`, async (t) => {
    const { target, broker } = await startSystem(t);
    broker.script({ kind: 'refuse', code: 3, retryAfterMs: 1 }, { kind: 'refuse', code: 3, retryAfterMs: 1 });
    await faked(fakes, async () => {
      const pool = new BrokerPool(target);
      t.is(await pool.use(({ socket }) => echo(socket, 'third')), 'third');
      await pool.destroy();
    });
  });

  test.serial(`a package that is loaded with ${what} faked has real time and timers`, async (t) => {
    let clock: typeof import('../../../src/clock.js') | undefined;
    const url = new URL(`../../../src/clock.js?loaded-with-${encodeURIComponent(what)}`, import.meta.url);
    await faked(fakes, async () => {
      clock = await import(url.href);
    });
    const { monotonicNowMs = () => NaN, systemClock } = clock ?? {};
    t.true(Math.abs(monotonicNowMs() - realNowMs()) < 1_000);
    const startMs = monotonicNowMs();
    await new Promise<number>((resolve) => systemClock?.deadline(20, resolve, true));
    t.true(monotonicNowMs() - startMs >= 19);
  });
}
