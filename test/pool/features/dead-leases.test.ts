import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { BrokerPool, connectSharedPool, type BrokerPoolOptions } from '../../../src/index.js';
import { fakePool, settled } from '../../helpers/fake-pool.js';
import test from '../../helpers/sanitary.js';
import { echo, read, startSystem, type SystemOptions } from '../../helpers/system.js';
import { SHARING, testWhere } from '../../helpers/test-where.js';
import { canShare } from '../../sharing/kit.js';

async function open(t: ExecutionContext, options: BrokerPoolOptions = {}, system: SystemOptions = {}) {
  const { target, backend } = await startSystem(t, system);
  const pool = new BrokerPool({ ...target, max: 1, maxTotal: 1, ...options });
  t.teardown(() => pool.destroy());
  return { pool, backend };
}

test('a leased connection that its backend ends gives its place to a waiter at once; its lease can be released once', async (t) => {
  const { pool, backend } = await open(t);
  const dead = await pool.acquire();
  await echo(dead.socket, 'word');
  const waiting = pool.acquire();
  backend.dropAll();
  const lease = await waiting;
  t.is(await echo(lease.socket, 'word'), 'word');
  t.like(pool.stats(), { total: 1, leased: 1, created: 2, closedByReason: { stale: 1 } });
  t.true(dead.socket.destroyed);
  t.false(dead.spent);
  dead.release();
  t.true(dead.spent);
  t.throws(() => dead.release(), { code: 'INVALID_ARGUMENT' });
  t.like(pool.stats(), {
    total: 1,
    leased: 1,
    created: 2,
    closedByReason: { stale: 1, dirty: 0, destroyed: 0 },
  });
  lease.release();
});

test('destroying the lease of a dead connection changes no count', async (t) => {
  const { pool } = await open(t);
  const dead = await pool.acquire();
  dead.socket.destroy(new Error('mine'));
  t.like(pool.stats(), { total: 0, leased: 0, closedByReason: { error: 1 } });
  dead.destroy('invalid');
  t.like(pool.stats(), { total: 0, closedByReason: { error: 1, invalid: 0 } });
});

test('a lease whose caller destroys the socket emits one released and one connectionClosed', async (t) => {
  const { pool } = await open(t, { leakThresholdMs: 60_000 });
  const events: string[] = [];
  pool
    .on('released', () => events.push('released'))
    .on('connectionClosed', () => events.push('connectionClosed'));
  const dead = await pool.acquire();
  dead.socket.destroy();
  t.deepEqual(events, ['released', 'connectionClosed']);
  dead.release();
  await turn();
  t.deepEqual(events, ['released', 'connectionClosed']);
});

test('a lease whose connection has died is not reported as a suspected leak', async (t) => {
  const { pool, connect, pass } = fakePool(t, { leakThresholdMs: 1_000 });
  pool.on('leakSuspected', () => t.fail());
  const acquiring = pool.acquire();
  const socket = await connect();
  const lease = await acquiring;
  socket.destroy();
  await pass(5_000);
  lease.release();
  await settled();
  t.like(pool.stats(), { total: 0, closedByReason: { stale: 1, leaked: 0 } });
});

test('close does not wait for the lease of a connection that has died', async (t) => {
  const { pool, backend } = await open(t);
  const dead = await pool.acquire();
  await echo(dead.socket, 'word');
  const closing = pool.close({ timeoutMs: 600_000 });
  backend.dropAll();
  await closing;
  dead.release();
  t.like(pool.stats(), { total: 0, closedByReason: { stale: 1, poolClosed: 0 } });
});

test('a leased connection that has ended keeps its place until its last bytes are read', async (t) => {
  const { pool } = await open(
    t,
    {},
    { backend: { onConnection: (socket) => socket.once('data', () => socket.end('last words')) } },
  );
  const lease = await pool.acquire();
  const { socket } = lease;
  socket.write('go');
  await once(socket, 'readable');
  t.like(pool.stats(), { total: 1, leased: 1 });
  t.is(await read(socket, 10), 'last words');
  await once(socket, 'close');
  t.like(pool.stats(), { total: 0, leased: 0, closedByReason: { stale: 1 } });
  lease.release();
});

testWhere(canShare, SHARING)(
  'a connection that dies in a shared pool gives up its place at once, and closing does not wait for its lease',
  async (t) => {
    const { pool, backend } = await open(t);
    const shared = await connectSharedPool(pool.share());
    const dead = await shared.acquire();
    await echo(dead.socket, 'word');
    const waiting = pool.acquire();
    backend.dropAll();
    const lease = await waiting;
    t.is(await echo(lease.socket, 'word'), 'word');
    lease.release();
    await shared.close({ timeoutMs: 600_000 });
    dead.release();
    t.like(pool.stats(), { total: 1, idle: 1, created: 2, closedByReason: { stale: 1 } });
  },
);
