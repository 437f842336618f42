/** Fake signals: missing or throwing members must harm neither the pool nor the next caller. */
import {
  BrokerPool,
  connectLocalSocket,
  connectSharedPool,
  connectToBackend,
  sendAdminRequest,
  type BrokerPoolOptions,
  type SharedPool,
} from '../../../src/index.js';
import { failureOf, openPool } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';
import { echo, startSystem, type TestSystem } from '../../helpers/system.js';
import { SHARING, testWhere } from '../../helpers/test-where.js';
import { canShare } from '../../sharing/kit.js';

function throws(): never {
  throw new Error('a broken signal');
}

/** A signal made by hand. */
function signalWith(parts: PropertyDescriptorMap): AbortSignal {
  const whole = {
    aborted: { value: false },
    reason: { value: 'why' },
    addEventListener: { value() {} },
    removeEventListener: { value() {} },
  };
  const signal: AbortSignal = Object.create(null, { ...whole, ...parts });
  return signal;
}

async function withPool(
  options: BrokerPoolOptions,
  work: (pool: BrokerPool) => Promise<unknown>,
): Promise<void> {
  const pool = new BrokerPool(options);
  try {
    await work(pool);
  } finally {
    await pool.destroy();
  }
}

async function withSharedPool(
  pool: BrokerPool,
  work: (shared: SharedPool) => Promise<unknown>,
): Promise<void> {
  const shared = await connectSharedPool(pool.share());
  try {
    await work(shared);
  } finally {
    await shared.close({ timeoutMs: 0 });
  }
}

/** All calls that take a signal. */
const CALLS: Readonly<Record<string, (system: TestSystem, signal: AbortSignal) => Promise<unknown>>> = {
  'acquire of a pool': ({ target }, signal) => withPool(target, (pool) => pool.acquire({ signal })),
  'use of a pool': ({ target }, signal) => withPool(target, (pool) => pool.use(() => {}, { signal })),
  'warm of a pool': ({ target }, signal) => withPool({ ...target, min: 1 }, (pool) => pool.warm({ signal })),
  'acquire of a shared pool': ({ target }, signal) =>
    withPool(target, (pool) => withSharedPool(pool, (shared) => shared.acquire({ signal }))),
  connectToBackend: async ({ target }, signal) =>
    (await connectToBackend({ ...target, signal })).socket.destroy(),
  connectLocalSocket: async ({ backend }, signal) =>
    (await connectLocalSocket(backend.endpoint, { signal })).destroy(),
  sendAdminRequest: ({ broker }, signal) =>
    sendAdminRequest({ brokerEndpoint: broker.endpoint, verb: 'HEALTHZ', signal }),
};

for (const [name, call] of Object.entries(CALLS)) {
  const callTest = testWhere(canShare || !name.includes('shared'), SHARING);

  callTest(`${name} refuses a signal without removeEventListener`, async (t) => {
    const system = await startSystem(t);
    const error = await failureOf(call(system, signalWith({ removeEventListener: { value: undefined } })));
    t.is(error.code, 'INVALID_ARGUMENT');
    t.regex(error.message, /^signal must be an AbortSignal/);
  });

  const waitingTest = testWhere(name !== 'connectLocalSocket', 'a call that waits', callTest);

  waitingTest(
    `${name} fails with INVALID_ARGUMENT where addEventListener throws, and leaves nothing behind`,
    async (t) => {
      const system = await startSystem(t);
      const error = await failureOf(call(system, signalWith({ addEventListener: { value: throws } })));
      t.is(error.code, 'INVALID_ARGUMENT');
      t.like(error.cause, { message: 'a broken signal' });
    },
  );

  callTest(
    `${name} succeeds where removeEventListener throws, and so does reading aborted after the checks`,
    async (t) => {
      const system = await startSystem(t);
      await t.notThrowsAsync(call(system, signalWith({ removeEventListener: { value: throws } })));
      let reads = 0;
      const aborted = (): boolean => (reads++ === 0 ? false : throws());
      await t.notThrowsAsync(call(system, signalWith({ aborted: { get: aborted } })));
    },
  );
}

test('a signal whose removeEventListener throws does not stop validations from serving the next caller', async (t) => {
  const { target } = await startSystem(t);
  const pool = openPool(t, target, { max: 1, validateAfterIdleMs: 0, validate: () => true });
  await pool.use(() => {});
  await pool.use(({ socket }) => echo(socket, 'one'), {
    signal: signalWith({ removeEventListener: { value: throws } }),
  });
  t.is(await pool.use(({ socket }) => echo(socket, 'two'), { timeoutMs: 20_000 }), 'two');
});

test('a signal that aborts inside addEventListener aborts the acquire, and the next acquire is served', async (t) => {
  const { target } = await startSystem(t);
  const pool = openPool(t, target, { max: 1 });
  const lease = await pool.acquire();
  const abortsAtOnce = signalWith({
    addEventListener: { value: (_name: string, listener: () => void) => listener() },
  });
  t.is((await failureOf(pool.acquire({ signal: abortsAtOnce }))).code, 'ABORTED');
  const next = pool.acquire();
  lease.release();
  (await next).release();
});

test('a signal keeps no listener if its caller is served inside addEventListener', async (t) => {
  const { target } = await startSystem(t);
  const pool = openPool(t, target, { max: 1 });
  const lease = await pool.acquire();
  const listeners = new Set<unknown>();
  const signal = signalWith({
    addEventListener: {
      value: (_name: string, listener: unknown) => {
        listeners.add(listener);
        lease.release();
      },
    },
    removeEventListener: { value: (_name: string, listener: unknown) => listeners.delete(listener) },
  });
  (await pool.acquire({ signal })).release();
  t.is(listeners.size, 0);
});

testWhere(canShare, SHARING)(
  'a signal that aborts inside addEventListener aborts the acquire of a shared pool, and keeps no listener',
  async (t) => {
    const { target } = await startSystem(t);
    const listeners = new Set<unknown>();
    const signal = signalWith({
      addEventListener: {
        value: (_name: string, listener: () => void) => {
          listeners.add(listener);
          listener();
        },
      },
      removeEventListener: { value: (_name: string, listener: unknown) => listeners.delete(listener) },
    });
    await withPool(target, (pool) =>
      withSharedPool(pool, async (shared) => {
        t.is((await failureOf(shared.acquire({ signal }))).code, 'ABORTED');
        t.is(listeners.size, 0);
      }),
    );
  },
);

test('a signal whose reason throws aborts all its waiters', async (t) => {
  const { target } = await startSystem(t);
  const pool = openPool(t, target, { max: 1 });
  await pool.acquire();
  const listeners: (() => void)[] = [];
  const signal = signalWith({
    reason: { get: throws },
    addEventListener: { value: (_name: string, listener: () => void) => listeners.push(listener) },
  });
  const waiting = [pool.acquire({ signal }), pool.acquire({ signal })].map(failureOf);
  for (const listener of listeners) listener();
  for (const error of await Promise.all(waiting)) t.is(error.code, 'ABORTED');
  t.is(pool.stats().waiting, 0);
});

test('an acquire with a broken signal emits acquireFailed', async (t) => {
  const { target } = await startSystem(t);
  const pool = openPool(t, target);
  const heard: string[] = [];
  pool.on('acquireStarted', ({ acquireId }) => heard.push(`started ${acquireId}`));
  pool.on('acquireFailed', ({ acquireId, reason }) => heard.push(`failed ${acquireId} ${reason}`));
  await failureOf(pool.acquire({ signal: signalWith({ addEventListener: { value: throws } }) }));
  t.deepEqual(heard, ['started 1', 'failed 1 INVALID_ARGUMENT']);
});
