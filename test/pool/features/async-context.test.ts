/** The asynchronous context in which each callback runs: tracing relies on it. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { execFile } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  connectLocalSocket,
  connectSharedPool,
  connectToBackend,
  type BrokerPool,
  type Lease,
} from '../../../src/index.js';
import { POOL_EVENT_NAMES } from '../../../src/pool/watching/events.js';
import { until } from '../../helpers/leftovers.js';
import { scaled } from '../../helpers/patience.js';
import { failureOf, openPool } from '../../helpers/pools.js';
import test from '../../helpers/sanitary.js';
import { echo, startSystem, type TestSystem } from '../../helpers/system.js';
import { SHARING, testWhere } from '../../helpers/test-where.js';
import { canShare } from '../../sharing/kit.js';

const storage = new AsyncLocalStorage<string>();
const contexts = (): string => storage.getStore() ?? 'none';

/** The context in which a listener of a socket runs after `cause`. */
async function heardIn(socket: Socket, event: string, cause: () => void): Promise<string> {
  return await new Promise((resolve) => {
    socket.once(event, () => resolve(contexts()));
    cause();
  });
}

/** Each callback of a socket, and the context it runs in; the connection stays usable. */
const CALLBACKS: Readonly<Record<string, (socket: Socket) => Promise<string>>> = {
  data: async (socket) => await heardIn(socket, 'data', () => socket.write('x')),
  readable: async (socket) => {
    const heard = await heardIn(socket, 'readable', () => socket.write('x'));
    socket.read();
    return heard;
  },
  'write callback': (socket) =>
    new Promise((resolve) => void socket.resume().write('x', () => resolve(contexts()))),
  timeout: (socket) => heardIn(socket, 'timeout', () => socket.setTimeout(1)),
  drain: (socket) => heardIn(socket, 'drain', () => void socket.resume().write(Buffer.alloc(1024 * 1024))),
};

/** Callbacks that end the connection. */
const ENDS: Readonly<Record<string, (socket: Socket, system: TestSystem) => Promise<string>>> = {
  end: (socket, { backend }) => heardIn(socket, 'end', () => (socket.resume(), backend.dropAll())),
  close: (socket) => heardIn(socket, 'close', () => socket.destroy()),
  'close by the backend': (socket, { backend }) => heardIn(socket.resume(), 'close', () => backend.dropAll()),
  error: (socket) => heardIn(socket, 'error', () => socket.destroy(new Error('by its caller'))),
  finish: (socket) => heardIn(socket, 'finish', () => socket.end()),
};

for (const [name, heard] of Object.entries({ ...CALLBACKS, ...ENDS })) {
  test(`${name} on a leased socket runs in the context of its leaseholder, not of the caller that had it before`, async (t) => {
    const system = await startSystem(t);
    const pool = openPool(t, system.target, { max: 1 });
    await storage.run('opener', () => pool.use(({ socket }) => echo(socket, 'one')));
    const lease = await storage.run('holder', () => pool.acquire());
    t.is(await storage.run('holder', () => heard(lease.socket, system)), 'holder');
    lease.destroy();
    t.is(pool.stats().created, 1);
  });
}

test('each caller that waits for the same connection runs in its own context', async (t) => {
  const { target } = await startSystem(t);
  const pool = openPool(t, target, { max: 1 });
  const names = ['a', 'b', 'c', 'd'];
  const heard = await Promise.all(
    names.map((name) =>
      storage.run(name, () =>
        pool.use(async ({ socket }) => await heardIn(socket, 'data', () => socket.write('x'))),
      ),
    ),
  );
  t.deepEqual(heard, names);
  t.is(pool.stats().created, 1);
});

test('a socket runs its listeners in the context of the first read of lease.socket', async (t) => {
  const { target } = await startSystem(t);
  const pool = openPool(t, target);
  const lease = await storage.run('acquirer', () => pool.acquire());
  const socket = storage.run('first', () => lease.socket);
  t.is(await storage.run('second', () => heardIn(lease.socket, 'data', () => socket.write('x'))), 'first');
  lease.release();
});

test('validate runs in no context, for a waiter and as a keepalive', async (t) => {
  const { target } = await startSystem(t);
  const heard: string[] = [];
  const pool = openPool(t, target, {
    max: 1,
    validateAfterIdleMs: 0,
    keepaliveMs: 20,
    async validate({ socket }) {
      heard.push(contexts(), await heardIn(socket, 'data', () => socket.write('x')));
      return true;
    },
  });
  await storage.run('opener', () => pool.use(({ socket }) => echo(socket, 'one')));
  await storage.run('waiter', () => pool.use(() => {}));
  const asked = heard.length;
  t.true(asked > 0);
  t.true(await until(() => heard.length > asked));
  t.deepEqual(new Set(heard), new Set(['none']));
});

test('a context that validate enters ends with that check', async (t) => {
  const { target } = await startSystem(t);
  const heard: string[] = [];
  const pool = openPool(t, target, {
    max: 1,
    validateAfterIdleMs: 0,
    validate() {
      heard.push(contexts());
      storage.enterWith('left behind');
      return true;
    },
  });
  for (let count = 0; count < 3; count++) await pool.use(() => {});
  t.deepEqual(heard, ['none', 'none']);
});

/** The context of the listener of each event, by the event's name. */
function listen(pool: BrokerPool): Map<string, Set<string>> {
  const heard = new Map<string, Set<string>>();
  for (const name of POOL_EVENT_NAMES)
    pool.on(name, () => void heard.set(name, (heard.get(name) ?? new Set()).add(contexts())));
  return heard;
}

test('events run in the context of the caller they are about, those of connections in none', async (t) => {
  const { broker, target } = await startSystem(t);
  // Retried once.
  broker.script({ kind: 'close' });
  const pool = openPool(t, target, { max: 1, leakThresholdMs: 5 });
  const heard = listen(pool);
  const lease = await storage.run('caller', () => pool.acquire());
  t.true(await until(() => heard.has('leakSuspected')));
  const waiting = storage.run('caller', () => pool.acquire());
  storage.run('caller', () => lease.release());
  const served = await waiting;
  const timedOut = storage.run('caller', () => failureOf(pool.acquire({ timeoutMs: 5 })));
  await timedOut;
  storage.run('caller', () => served.destroy());
  storage.run('caller', () => pool.clear());
  await storage.run('caller', () => pool.close());
  const callers = ['acquireStarted', 'acquired', 'acquireFailed', 'released', 'cleared'];
  for (const name of POOL_EVENT_NAMES)
    t.deepEqual([...(heard.get(name) ?? [])], [callers.includes(name) ? 'caller' : 'none'], name);
});

test("what serves or fails a waiter publishes in the waiter's context, also to subscribers of channels", async (t) => {
  const { target } = await startSystem(t);
  const pool = openPool(t, target, { max: 1, name: 'contexts' });
  const heard: string[] = [];
  const onAcquired = (event: unknown): void =>
    void (JSON.stringify(event).includes('"contexts"') && heard.push(`acquired in ${contexts()}`));
  subscribe('broker-pool:acquired', onAcquired);
  t.teardown(() => unsubscribe('broker-pool:acquired', onAcquired));
  pool.on('acquireFailed', () => heard.push(`failed in ${contexts()}`));
  const aborter = new AbortController();
  const lease = await storage.run('first', () => pool.acquire());
  const waiting = storage.run('waiter', () => pool.acquire());
  const aborted = storage.run('aborted', () => failureOf(pool.acquire({ signal: aborter.signal })));
  storage.run('aborter', () => aborter.abort());
  await aborted;
  storage.run('releaser', () => lease.release());
  (await waiting).release();
  t.deepEqual(heard, ['acquired in first', 'failed in aborted', 'acquired in waiter']);
});

testWhere(canShare, SHARING)(
  "a shared pool runs sockets in the context of their leaseholders, and the pool's events in none",
  async (t) => {
    const { target } = await startSystem(t);
    const pool = openPool(t, target, { max: 1 });
    const heard = listen(pool);
    const shared = await storage.run('sharer', async () => await connectSharedPool(pool.share()));
    const callbacks: string[] = [];
    for (const name of ['a', 'b']) {
      callbacks.push(
        await storage.run(name, () =>
          shared.use(async ({ socket }) => await heardIn(socket, 'data', () => socket.write('x'))),
        ),
      );
    }
    t.deepEqual(callbacks, ['a', 'b']);
    await shared.close();
    t.true(await until(() => heard.has('released')));
    for (const [name, where] of heard) t.deepEqual([...where], ['none'], name);
  },
);

test('one-shot connects run in the context of their caller', async (t) => {
  const { target, backend } = await startSystem(t);
  for (const connect of [
    async () => (await connectToBackend(target)).socket,
    async () => await connectLocalSocket(backend.endpoint),
  ]) {
    const heard = await storage.run('caller', async () => {
      const socket = await connect();
      const where = await heardIn(socket, 'data', () => socket.write('x'));
      socket.destroy();
      await once(socket, 'close');
      return where;
    });
    t.is(heard, 'caller');
  }
});

test('one-shot connects that found the listener busy run in the context of their caller as well', async (t) => {
  const { target, backend } = await startSystem(t, { backend: { backlog: 1 } });
  const connects = [
    async () => (await connectToBackend({ ...target, cachedBackendEndpoint: backend.endpoint })).socket,
    async () => await connectLocalSocket(backend.endpoint),
  ];
  const heard = Array.from({ length: 16 }, (_, caller) =>
    storage.run(String(caller), async () => {
      const socket = await connects[caller % 2]!();
      const where = await heardIn(socket, 'data', () => socket.write('x'));
      socket.destroy();
      return where;
    }),
  );
  t.deepEqual(
    await Promise.all(heard),
    heard.map((_, caller) => String(caller)),
  );
});

test("a package that is loaded in a caller's context does not keep it", async (t) => {
  const url = new URL('../../../src/async-context.js?loaded-in-a-context', import.meta.url);
  const { outOfContext }: { outOfContext: (work: () => string) => string } = await storage.run(
    'loader',
    () => import(url.href),
  );
  t.is(
    storage.run('caller', () => outOfContext(contexts)),
    'none',
  );
  await turn();
});

test('a lease whose socket is never read does not bind its context', async (t) => {
  const { target } = await startSystem(t);
  const pool = openPool(t, target, { max: 1 });
  const leases: Lease[] = [];
  for (const name of ['a', 'b']) {
    const lease = await storage.run(name, () => pool.acquire());
    leases.push(lease);
    lease.release();
  }
  t.is(
    await storage.run('c', () =>
      pool.use(async ({ socket }) => await heardIn(socket, 'data', () => socket.write('x'))),
    ),
    'c',
  );
  t.true(leases.every(({ spent }) => spent));
});

test('one connection serves callers without a context and with one in turn, each in its own', async (t) => {
  const { target } = await startSystem(t);
  const program = fileURLToPath(new URL('first-context.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(target)], {
    timeout: scaled(60_000),
  });
  const { heard, wasOut, created } = JSON.parse(stdout);
  t.deepEqual(heard, ['none', 'none', 'first', 'none', 'second', 'none', 'entered']);
  t.is(created, 1);
  t.deepEqual([wasOut[2], wasOut[4], wasOut[6], wasOut[7]], [false, false, false, false]);
  // Before Node 24 the way without a context is the short one.
  if ('_enable' in AsyncLocalStorage.prototype) t.deepEqual([wasOut[1], wasOut[5]], [true, true]);
  else t.false(wasOut.includes(true));
});

test('an idle pool keeps no context of a caller that has left in memory', async (t) => {
  const { target } = await startSystem(t);
  const program = fileURLToPath(new URL('context-retention.js', import.meta.url));
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--expose-gc', program, JSON.stringify(target)],
    { timeout: scaled(60_000) },
  );
  t.deepEqual(JSON.parse(stdout), { idle: 2, kept: [] });
});
