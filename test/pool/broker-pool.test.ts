import { once } from 'node:events';
import { BrokerPool, BrokerPoolError, type BrokerPoolOptions, type Lease } from '../../src/index.js';
import type { ExecutionContext } from 'ava';
import { endpointIn } from '../helpers/endpoints.js';
import { scaled } from '../helpers/patience.js';
import test from '../helpers/sanitary.js';
import { echo, read, startSystem, type TestSystem } from '../helpers/system.js';

function openPool(t: ExecutionContext, { target }: TestSystem, options: BrokerPoolOptions = {}): BrokerPool {
  const pool = new BrokerPool({ ...target, ...options });
  t.teardown(() => pool.destroy());
  return pool;
}

async function failureOf(promise: Promise<unknown>): Promise<BrokerPoolError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof BrokerPoolError) return error;
  throw new Error(`no BrokerPoolError: ${String(error)}`);
}

test('a lease is a working connection, and the next caller gets the same one', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system);
  const first = await pool.acquire();
  const { connectionId } = first;
  t.is(first.route, 'broker-negotiated');
  t.is(await echo(first.socket, 'one'), 'one');
  first.release();
  const second = await pool.acquire();
  t.is(second.connectionId, connectionId);
  t.is(await echo(second.socket, 'two'), 'two');
  second.release();
  t.is(system.broker.helloCount, 1);
});

test('the second connection skips the Hello (C-11)', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system);
  const leases = [await pool.acquire(), await pool.acquire()];
  t.deepEqual(
    leases.map(({ route }) => route),
    ['broker-negotiated', 'hello-skip'],
  );
  t.is(leases[1]?.negotiated, undefined);
  t.is(system.broker.helloCount, 1);
  for (const lease of leases) lease.release();
});

test('without an endpoint cache, or with another own version, every connection says Hello (C-15)', async (t) => {
  const system = await startSystem(t);
  for (const options of [{ endpointCache: false as const }, { selfVersion: '0.0.1' }]) {
    const pool = openPool(t, system, options);
    const leases = [await pool.acquire(), await pool.acquire()];
    t.deepEqual(
      leases.map(({ route }) => route),
      ['broker-negotiated', 'broker-negotiated'],
    );
    for (const lease of leases) lease.release();
  }
});

test('many cold callers send one Hello (X-23)', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system, { max: 50 });
  const leases = await Promise.all(Array.from({ length: 50 }, () => pool.acquire()));
  t.is(system.broker.helloCount, 1);
  t.is(new Set(leases.map(({ socket }) => socket)).size, 50);
  for (const lease of leases) lease.release();
});

test('an endpoint that is gone is forgotten, and the broker is asked again (C-13, X-26)', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system);
  const first = await pool.acquire();
  const { endpoint } = first;
  first.destroy();
  await system.backend.stop();
  system.broker.services.set('demo', { endpoint: `${endpoint}.gone` });
  const error = await failureOf(pool.acquire());
  t.is(error.code, 'BACKEND_CONNECT');
  t.is(
    system.broker.helloCount,
    3,
    'once cold, once for the stale endpoint, once more because backends come back (V-88)',
  );
});

test('a pool opens no more than max connections, and serves waiters in their order', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system, { max: 2 });
  const held = [await pool.acquire(), await pool.acquire()];
  const order: number[] = [];
  const waiting = [0, 1, 2, 3].map(async (index) => {
    const lease = await pool.acquire();
    order.push(index);
    t.true(pool.stats().total <= 2);
    lease.release();
  });
  t.like(pool.stats(), { total: 2, leased: 2, waiting: 4 });
  for (const lease of held) lease.release();
  await Promise.all(waiting);
  t.deepEqual(order, [0, 1, 2, 3]);
  t.like(pool.stats(), { total: 2, idle: 2, leased: 0, waiting: 0 });
});

test('the connection that became idle last is leased first', async (t) => {
  const pool = openPool(t, await startSystem(t));
  const [a, b] = [await pool.acquire(), await pool.acquire()];
  const { connectionId } = b;
  a.release();
  b.release();
  const lease = await pool.acquire();
  t.is(lease.connectionId, connectionId);
  lease.release();
});

test('tryAcquire gives an idle connection or nothing', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system, { max: 1 });
  t.is(pool.tryAcquire(), undefined);
  (await pool.acquire()).release();
  const lease = pool.tryAcquire();
  t.truthy(lease);
  t.is(pool.tryAcquire(), undefined);
  lease?.release();
  t.is(system.broker.helloCount, 1);
});

test('a wait that takes too long is TIMEOUT in phase queue, with the counts of connections in the message', async (t) => {
  const pool = openPool(t, await startSystem(t), { max: 1 });
  const held = await pool.acquire();
  const error = await failureOf(pool.acquire({ timeoutMs: 10 }));
  t.like(error, { code: 'TIMEOUT', phase: 'queue' });
  t.regex(error.message, /total 1, idle 0, connecting 0, waiting/);
  held.release();
  (await pool.acquire()).release();
});

test('a wait for a silent broker is TIMEOUT in phase hello, and the connect goes on for the pool', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system);
  let answer = (): void => {};
  system.broker.behaviour = { kind: 'delay', wait: new Promise<void>((resolve) => (answer = resolve)) };
  const error = await failureOf(pool.acquire({ timeoutMs: scaled(50) }));
  t.is(error.code, 'TIMEOUT');
  t.is(error.phase, 'hello');
  answer();
  const lease = await pool.acquire();
  t.is(lease.route, 'broker-negotiated');
  lease.release();
  t.is(system.broker.helloCount, 1);
});

test('an aborted wait rejects with ABORTED and the reason, and loses no connection', async (t) => {
  const pool = openPool(t, await startSystem(t), { max: 1 });
  const held = await pool.acquire();
  const abort = new AbortController();
  const waiting = failureOf(pool.acquire({ signal: abort.signal }));
  abort.abort(new Error('changed my mind'));
  const error = await waiting;
  t.is(error.code, 'ABORTED');
  t.like(error.cause, { message: 'changed my mind' });
  t.is(
    (await failureOf(pool.acquire({ signal: abort.signal }))).code,
    'ABORTED',
    'an aborted signal does not even queue',
  );
  held.release();
  t.like(pool.stats(), { total: 1, idle: 1, waiting: 0 });
});

test('one waiter more than allowed is QUEUE_FULL', async (t) => {
  const pool = openPool(t, await startSystem(t), { max: 1, maxWaiting: 1 });
  const held = await pool.acquire();
  const waiting = pool.acquire();
  t.is((await failureOf(pool.acquire())).code, 'QUEUE_FULL');
  held.release();
  (await waiting).release();
});

test('a refusal fails every waiter', async (t) => {
  const system = await startSystem(t);
  system.broker.behaviour = { kind: 'refuse', code: 2, reason: 'unknown service' };
  const pool = openPool(t, system);
  const errors = await Promise.all([1, 2, 3, 4, 5].map(() => failureOf(pool.acquire())));
  for (const error of errors) t.like(error, { code: 'REFUSED', refusalKind: 'serviceUnknown' });
  t.is(system.broker.helloCount, 1);
});

test('a broken-off reply, and a refusal that passes, are tried again (X-24, X-25)', async (t) => {
  const system = await startSystem(t);
  system.broker.script(
    { kind: 'close' },
    { kind: 'refuse', code: 4, reason: 'spawn in progress', retryAfterMs: 30 },
  );
  const pool = openPool(t, system);
  const lease = await pool.acquire();
  t.is(lease.route, 'broker-negotiated');
  lease.release();
  t.is(system.broker.helloCount, 3);
});

test('a refusal whose time lies behind the deadline fails at once', async (t) => {
  const system = await startSystem(t);
  system.broker.behaviour = { kind: 'refuse', code: 4, reason: 'later', retryAfterMs: 60_000 };
  const error = await failureOf(openPool(t, system).acquire({ timeoutMs: 20_000 }));
  t.like(error, { code: 'REFUSED', retryAfterMs: 60_000 });
});

test('a broker that is not there is BROKER_CONNECT with the system error as its cause', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system, { brokerEndpoint: endpointIn(system.directory, 'none') });
  const error = await failureOf(pool.acquire());
  t.is(error.code, 'BROKER_CONNECT');
  t.like(error.cause, { code: 'ENOENT' });
});

test('use releases after success and destroys after an error', async (t) => {
  const pool = openPool(t, await startSystem(t));
  t.is(await pool.use(async ({ socket }) => echo(socket, 'x')), 'x');
  t.is(pool.stats().idle, 1);
  await t.throwsAsync(
    pool.use(() => Promise.reject(new Error('mine'))),
    { message: 'mine' },
  );
  t.like(pool.stats(), { total: 0, closedByReason: { error: 1 } });
});

test('work that has spent its lease keeps its result and its error', async (t) => {
  const pool = openPool(t, await startSystem(t));
  t.is(await pool.use((lease) => (lease.release(), 'done')), 'done');
  const failing = pool.use((lease) => {
    lease.destroy();
    throw new Error('mine');
  });
  await t.throwsAsync(failing, { message: 'mine' });
});

test('await using releases at the end of the block', async (t) => {
  const pool = openPool(t, await startSystem(t));
  {
    await using lease = await pool.acquire();
    t.is(await echo(lease.socket, 'y'), 'y');
  }
  t.is(pool.stats().idle, 1);
});

test('each member of a spent lease throws, and a second release does no harm', async (t) => {
  const pool = openPool(t, await startSystem(t));
  const lease = await pool.acquire();
  lease.release();
  const uses: ((spent: Lease) => unknown)[] = [
    (l) => l.socket,
    (l) => l.endpoint,
    (l) => l.route,
    (l) => l.negotiated,
    (l) => l.handoffToken,
    (l) => l.connectionId,
    (l) => l.detach(),
    (l) => l.destroy(),
    (l) => l.release(),
  ];
  for (const use of uses) t.throws(() => use(lease), { code: 'INVALID_ARGUMENT' });
  t.like(pool.stats(), { total: 1, idle: 1 });
});

test('a connection that comes back with unread bytes is closed as dirty', async (t) => {
  const pool = openPool(t, await startSystem(t));
  const lease = await pool.acquire();
  lease.socket.write('unread');
  await once(lease.socket, 'readable');
  lease.release();
  t.like(pool.stats(), { total: 0, closedByReason: { dirty: 1 } });
});

test('bytes that a backend sends before the first lease go to that lease', async (t) => {
  const system = await startSystem(t, { backend: { onConnection: (socket) => socket.write('greeting') } });
  const pool = openPool(t, system);
  const lease = await pool.acquire();
  t.is(await read(lease.socket, 8), 'greeting');
  lease.release();
  t.is(pool.stats().idle, 1);
});

test('an idle connection that speaks is closed at once', async (t) => {
  const system = await startSystem(t, {
    backend: { onConnection: (socket) => socket.on('data', () => socket.write('reply')) },
  });
  const pool = openPool(t, system);
  const lease = await pool.acquire();
  lease.socket.write('ask');
  lease.release();
  await once(pool, 'connectionClosed');
  t.is(pool.stats().total, 0);
  t.is(pool.stats().closedByReason.dirty, 1);
});

test('idle connections whose backend ends are closed, and the next caller gets a new one', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system);
  const lease = await pool.acquire();
  // The backend must have accepted the connection to drop it.
  await echo(lease.socket, 'first');
  lease.release();
  system.backend.dropAll();
  await once(pool, 'connectionClosed');
  t.is(pool.stats().total, 0);
  t.is(await pool.use(({ socket: next }) => echo(next, 'again')), 'again');
});

test('listeners that a caller leaves on the socket are gone for the next caller', async (t) => {
  const pool = openPool(t, await startSystem(t));
  const lease = await pool.acquire();
  const stolen: string[] = [];
  lease.socket.on('data', (chunk: Buffer) => stolen.push(String(chunk)));
  lease.socket.write('first');
  await once(lease.socket, 'data');
  lease.socket.pause();
  lease.release();
  await pool.use(async ({ socket }) => {
    socket.write('second');
    const [chunk]: Buffer[] = await once(socket, 'data');
    t.is(String(chunk), 'second');
  });
  t.deepEqual(stolen, ['first']);
});

test('a connection is closed after maxUses leases', async (t) => {
  const pool = openPool(t, await startSystem(t), { maxUses: 2 });
  await pool.use(() => {});
  await pool.use(() => {});
  t.like(pool.stats(), { total: 0, closedByReason: { uses: 1 } });
});

test('idle connections are closed after idleTimeoutMs, old ones after maxLifetimeMs', async (t) => {
  const system = await startSystem(t);
  for (const [options, reason] of [
    [{ idleTimeoutMs: 20 }, 'idle'],
    [{ maxLifetimeMs: 20 }, 'lifetime'],
  ] as const) {
    const pool = openPool(t, system, options);
    const lease = await pool.acquire();
    // Before the release: a slow machine closes an old connection there.
    const closed = once(pool, 'connectionClosed');
    lease.release();
    await closed;
    t.is(pool.stats().closedByReason[reason], 1);
  }
});

test('clear closes idle connections now and leased ones when they come back', async (t) => {
  const system = await startSystem(t);
  const pool = openPool(t, system);
  const [kept, idle] = [await pool.acquire(), await pool.acquire()];
  idle.release();
  pool.clear();
  t.like(pool.stats(), { total: 1, leased: 1, cachedEndpoints: 0, closedByReason: { stale: 1 } });
  kept.release();
  t.like(pool.stats(), { total: 0, closedByReason: { stale: 2 } });
  await pool.use(({ route }) => t.is(route, 'broker-negotiated'));
});

test('each target has its own connections', async (t) => {
  const system = await startSystem(t);
  system.broker.services.set('other', { endpoint: system.backend.endpoint });
  const pool = openPool(t, system, { max: 1 });
  const [mine, other] = [await pool.acquire(), await pool.acquire({ serviceName: 'other' })];
  t.not(mine.socket, other.socket);
  t.deepEqual(
    pool.stats().targets.map(({ serviceName, leased }) => [serviceName, leased]),
    [
      ['demo', 1],
      ['other', 1],
    ],
  );
  mine.release();
  other.release();
});

test('a pool that closes serves its waiters, waits for leases, and rejects a new acquire', async (t) => {
  const pool = openPool(t, await startSystem(t), { max: 1 });
  const held = await pool.acquire();
  const waiting = pool.acquire();
  const closing = pool.close();
  t.is((await failureOf(pool.acquire())).code, 'POOL_CLOSED');
  held.release();
  const lease = await waiting;
  t.is(await echo(lease.socket, 'served'), 'served');
  lease.release();
  await closing;
  await Promise.all([pool.close(), pool.close()]);
  t.is(pool.stats().total, 0);
});

test('close destroys leased connections when its time is up, and fails the waiters', async (t) => {
  const pool = openPool(t, await startSystem(t), { max: 1 });
  const held = await pool.acquire();
  const { socket } = held;
  const waiting = failureOf(pool.acquire());
  await pool.close({ timeoutMs: 10 });
  t.is((await waiting).code, 'POOL_CLOSED');
  t.true(socket.destroyed);
});

test('destroy fails the waiters with the given error, and ends leased connections', async (t) => {
  const pool = openPool(t, await startSystem(t), { max: 1 });
  const held = await pool.acquire();
  const { socket } = held;
  const waiting = failureOf(pool.acquire());
  const reason = new Error('shutting down');
  await pool.destroy(reason);
  await pool.destroy();
  const error = await waiting;
  t.is(error.code, 'POOL_CLOSED');
  t.is(error.cause, reason);
  t.true(socket.destroyed);
  t.notThrows(() => held.release(), 'a lease may come back late');
});

test('a pool that adopts leases handed-over connections, with the bytes that the backend sent first (C-47)', async (t) => {
  const system = await startSystem(t);
  system.broker.behaviour = { kind: 'readyThenBackendBytes', bytes: Buffer.from('welcome') };
  const pool = openPool(t, system, { adoptHandedOffConnection: true });
  const lease = await pool.acquire();
  t.is(lease.route, 'handle-passed');
  t.is(lease.handoffToken?.length, 16);
  t.is(await read(lease.socket, 7), 'welcome');
  lease.release();
});
