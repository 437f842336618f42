import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import type { Socket } from 'node:net';
import type { ExecutionContext } from 'ava';
import { BrokerPool, type BrokerPoolOptions } from '../../../src/index.js';
import { fakePool, settled } from '../../helpers/fake-pool.js';
import { until } from '../../helpers/leftovers.js';
import test from '../../helpers/sanitary.js';
import { echo, startSystem } from '../../helpers/system.js';

async function open(t: ExecutionContext, options: BrokerPoolOptions = {}) {
  const system = await startSystem(t);
  const pool = new BrokerPool({ ...system.target, ...options });
  t.teardown(() => pool.destroy());
  return { ...system, pool };
}

const closing = (socket: Socket): Promise<unknown> => (socket.closed ? turn() : once(socket, 'close'));

test('a detached socket works after its lease is spent', async (t) => {
  const { pool } = await open(t);
  const lease = await pool.acquire();
  const { socket } = lease;
  const detached = lease.detach();
  t.is(detached, socket);
  t.true(lease.spent);
  t.throws(() => lease.release(), { code: 'INVALID_ARGUMENT', message: /detached already/ });
  t.throws(() => lease.detach(), { code: 'INVALID_ARGUMENT' });
  t.is(await echo(detached, 'word'), 'word');
  detached.destroy();
});

test('a detached socket counts against max until it closes, and a waiter gets its place then', async (t) => {
  const { pool } = await open(t, { max: 1 });
  const socket = await pool.connect();
  t.like(pool.stats(), { total: 1, leased: 0, idle: 0, detached: 1 });
  await t.throwsAsync(pool.acquire({ timeoutMs: 20 }), {
    code: 'TIMEOUT',
    message: /detached 1, max 1.* Raise max, or close detached sockets: /,
  });
  await t.throwsAsync(pool.acquire({ signal: AbortSignal.timeout(20) }), {
    code: 'ABORTED',
    message: /detached 1, max 1(?!.* Raise max)/,
  });
  const waiting = pool.acquire();
  t.like(pool.stats(), { waiting: 1 });
  socket.destroy();
  const lease = await waiting;
  t.like(pool.stats(), { total: 1, leased: 1, detached: 0, created: 2, closedByReason: { destroyed: 1 } });
  lease.release();
});

test('a caller that waits while sockets are detached and leases are out is told to free either', async (t) => {
  const { pool } = await open(t, { max: 2 });
  const socket = await pool.connect();
  const lease = await pool.acquire();
  await t.throwsAsync(pool.acquire({ timeoutMs: 20 }), {
    code: 'TIMEOUT',
    message:
      /leased 1, detached 1, max 2.* Raise max, hold leases for less time, or close detached sockets: /,
  });
  lease.release();
  socket.destroy();
});

test('detached sockets count against maxTotal', async (t) => {
  const { pool, broker, backend } = await open(t, { max: 5, maxTotal: 2 });
  broker.services.set('other', { endpoint: backend.endpoint, version: '1.0.0' });
  const sockets = [await pool.connect(), await pool.connect()];
  const waiting = pool.acquire({ serviceName: 'other', wantedVersion: '1.0.0' });
  await turn();
  t.like(pool.stats(), { total: 2, waiting: 1 });
  sockets[0]?.end();
  (await waiting).release();
  sockets[1]?.destroy();
});

test('a socket that its backend ends gives its place back as stale', async (t) => {
  const { pool, backend } = await open(t, { max: 1 });
  const socket = await pool.connect();
  await until(() => backend.acceptedCount === 1);
  const closed = closing(socket.resume());
  backend.dropAll();
  await closed;
  t.like(pool.stats(), { total: 0, detached: 0, closedByReason: { destroyed: 0, stale: 1 } });
});

test('a socket that its holder ends gives its place back as destroyed', async (t) => {
  const { pool } = await open(t);
  const socket = await pool.connect();
  await closing(socket.resume().end());
  t.like(pool.stats(), { total: 0, detached: 0, closedByReason: { destroyed: 1, stale: 0 } });
});

test('a detached socket that its backend ends without a word is evidence against its endpoint', async (t) => {
  const { pool, broker, backend } = await open(t);
  const socket = await pool.connect();
  await until(() => backend.acceptedCount === 1);
  const closed = closing(socket.resume());
  backend.dropAll();
  await closed;
  (await pool.connect()).destroy();
  t.is(broker.helloCount, 2);
});

test('a detached socket that fails gives its place back as error', async (t) => {
  const { pool } = await open(t);
  const socket = await pool.connect();
  socket.on('error', () => {}).destroy(new Error('mine'));
  t.like(pool.stats(), { total: 0, detached: 0, closedByReason: { error: 1 } });
});

test('a detached connection is no leak, and publishes released once', async (t) => {
  const { pool, clock, connect, pass } = fakePool(t, { leakThresholdMs: 100 });
  const events: string[] = [];
  for (const name of ['acquired', 'released', 'leakSuspected', 'connectionClosed'] as const)
    pool.on(name, () => events.push(name));
  const acquiring = pool.connect();
  await connect();
  const socket = await acquiring;
  await pass(1_000);
  t.deepEqual(events, ['acquired', 'released']);
  socket.destroy();
  t.deepEqual(events, ['acquired', 'released', 'connectionClosed']);
  t.true(clock.nowMs >= 1_000);
});

test('close() closes a detached socket at rest at once, and one in use as soon as it rests', async (t) => {
  const { pool } = await open(t);
  const resting = await pool.connect();
  const busy = await pool.connect();
  resting.unref();
  let isOver = false;
  const ending = pool.close().then(() => (isOver = true));
  t.true(resting.destroyed);
  t.is(await echo(busy, 'word'), 'word');
  t.false(isOver);
  t.false(busy.destroyed);
  busy.unref();
  t.false(busy.destroyed, 'its holder goes on in this turn');
  await ending;
  t.true(busy.destroyed);
  t.like(pool.stats(), { total: 0, closedByReason: { poolClosed: 2 } });
});

test('close() leaves a socket that its holder takes up again in the same turn', async (t) => {
  const { pool } = await open(t);
  const socket = await pool.connect();
  const ending = pool.close();
  socket.unref().ref();
  await turn();
  t.is(await echo(socket, 'word'), 'word');
  socket.destroy();
  await ending;
});

test('close() destroys a detached socket in use at its limit', async (t) => {
  const { pool, connect, pass } = fakePool(t);
  const acquiring = pool.connect();
  await connect();
  const socket = await acquiring;
  const ending = pool.close({ timeoutMs: 500 });
  await pass(499);
  t.false(socket.destroyed);
  await pass(1);
  t.true(socket.destroyed);
  await ending;
  t.like(pool.stats(), { total: 0, closedByReason: { poolClosed: 1 } });
});

test('a lease that is detached while its pool closes is closed at rest', async (t) => {
  const { pool } = await open(t);
  const lease = await pool.acquire();
  const ending = pool.close();
  const socket = lease.detach();
  t.is(await echo(socket, 'word'), 'word');
  socket.unref();
  await ending;
  t.true(socket.destroyed);
});

test('destroy() destroys detached sockets', async (t) => {
  const { pool } = await open(t);
  const socket = await pool.connect();
  await pool.destroy();
  t.true(socket.destroyed);
});

test('a detached socket closes when its lifetime is over and it rests, and not before', async (t) => {
  const { pool, connect, pass } = fakePool(t, { maxLifetimeMs: 1_000, idleTimeoutMs: 10, min: 0 });
  const first = pool.connect();
  const second = pool.connect();
  await connect();
  await connect();
  const [resting, busy] = [await first, await second];
  resting.unref();
  await pass(500);
  t.false(resting.destroyed);
  await pass(501);
  t.true(resting.destroyed);
  t.false(busy.destroyed);
  busy.unref();
  await settled();
  t.true(busy.destroyed);
  t.like(pool.stats(), { closedByReason: { lifetime: 2, idle: 0 } });
});

test('clear() closes a detached socket at rest', async (t) => {
  const { pool } = await open(t);
  const socket = await pool.connect();
  socket.unref();
  pool.clear();
  t.true(socket.destroyed);
  t.like(pool.stats(), { closedByReason: { stale: 1 } });
});

test('the last lease under maxUses can be detached, and its socket stays open at rest', async (t) => {
  const { pool } = await open(t, { maxUses: 1 });
  const socket = await pool.connect();
  socket.unref();
  await turn();
  t.is(await echo(socket, 'word'), 'word');
  socket.destroy();
});

test('a lease whose connection is stale can be detached, and closes as stale at rest', async (t) => {
  const { pool } = await open(t);
  const lease = await pool.acquire();
  pool.clear();
  const socket = lease.detach();
  t.like(pool.stats(), { detached: 1 });
  socket.unref();
  t.true(await until(() => pool.stats().total === 0));
  t.like(pool.stats().closedByReason, { stale: 1, destroyed: 0 });
});

test('min opens connections beside detached ones', async (t) => {
  const { pool, connect } = fakePool(t, { min: 1, max: 2 });
  await settled();
  await connect();
  const socket = await pool.connect();
  await settled();
  await connect();
  t.like(pool.stats(), { total: 2, idle: 1, detached: 1 });
  socket.destroy();
});

test('an aborted connect() leaves neither waiter nor detached connection', async (t) => {
  const { pool } = await open(t, { max: 1 });
  const held = await pool.connect();
  const aborter = new AbortController();
  const waiting = pool.connect({ signal: aborter.signal });
  t.like(pool.stats(), { waiting: 1 });
  aborter.abort();
  await t.throwsAsync(waiting, { code: 'ABORTED' });
  t.like(pool.stats(), { waiting: 0, detached: 1 });
  held.destroy();
  t.like(pool.stats(), { total: 0, detached: 0 });
});

test('an error of a detached socket without a listener is uncaught, as of any socket', async (t) => {
  const { pool } = await open(t);
  const socket = await pool.connect();
  t.throws(() => socket.emit('error', new Error('unheard')), { message: 'unheard' });
  socket.destroy();
});

test('a lease of a dead connection detaches a destroyed socket and takes no place', async (t) => {
  const { pool } = await open(t);
  const lease = await pool.acquire();
  lease.socket.destroy();
  t.true(lease.detach().destroyed);
  t.like(pool.stats(), { total: 0, detached: 0 });
});

test('connect() refuses options as acquire() does, and a closed pool', async (t) => {
  const { pool } = await open(t);
  await t.throwsAsync(pool.connect({ timeoutMs: -1 }), { code: 'INVALID_ARGUMENT', message: /timeoutMs/ });
  await pool.close();
  await t.throwsAsync(pool.connect(), { code: 'POOL_CLOSED' });
});

test('resolve() asks the broker once, keeps the connection in the pool, and then answers from memory', async (t) => {
  const { pool, broker, backend } = await open(t);
  const first = await pool.resolve();
  t.is(first.endpoint, backend.endpoint);
  t.is(first.negotiated?.backendPipe, backend.endpoint);
  t.like(pool.stats(), { total: 1, idle: 1, leased: 0 });
  t.is((await pool.resolve()).endpoint, backend.endpoint);
  t.is(broker.helloCount, 1);
});

test('resolve() answers from the endpoint cache without a connection', async (t) => {
  const { pool, broker, backend } = await open(t);
  (await pool.connect()).destroy();
  t.deepEqual(await pool.resolve(), { endpoint: backend.endpoint });
  t.is(broker.helloCount, 1);
  t.like(pool.stats(), { total: 0, created: 1 });
});

test('resolve() asks the broker again after clear(), and refuses a closed pool', async (t) => {
  const { pool, broker } = await open(t);
  await pool.resolve();
  pool.clear();
  await pool.resolve();
  t.is(broker.helloCount, 2);
  await t.throwsAsync(pool.resolve({ serviceName: 'no such service' }), { code: 'INVALID_ARGUMENT' });
  await pool.close();
  await t.throwsAsync(pool.resolve(), { code: 'POOL_CLOSED' });
});

test('a detached socket at rest makes room for a caller that waits', async (t) => {
  const { pool } = await open(t, { max: 1 });
  const socket = await pool.connect();
  socket.unref();
  (await pool.acquire()).release();
  t.true(socket.destroyed);
  t.like(pool.stats(), { created: 2, detached: 0, closedByReason: { evicted: 1 } });
});

test('a detached socket in use makes room for a caller that waits as soon as it comes to rest', async (t) => {
  const { pool } = await open(t, { max: 1 });
  const socket = await pool.connect();
  const waiting = pool.acquire();
  await turn();
  t.is(await echo(socket, 'word'), 'word');
  socket.unref().ref();
  await turn();
  t.false(socket.destroyed, 'its holder has taken it up again');
  socket.unref();
  (await waiting).release();
  t.true(socket.destroyed);
});

test('a detached socket at rest stays while there is room for another connection', async (t) => {
  const { pool } = await open(t, { max: 2 });
  const socket = await pool.connect();
  socket.unref();
  (await pool.acquire()).release();
  t.false(socket.destroyed);
  socket.destroy();
});
