import { once } from 'node:events';
import { checkSessionOptions } from '../../src/frames/options.js';
import { Session } from '../../src/frames/session.js';
import { PoolSource } from '../../src/frames/sources/pool-source.js';
import { connectSharedPool, type AcquireOptions, type Lease } from '../../src/index.js';
import { failureOf } from '../helpers/pools.js';
import test from '../helpers/sanitary.js';
import { SHARING, testWhere } from '../helpers/test-where.js';
import { canShare } from '../sharing/kit.js';
import { echo, PROTOCOL } from './frame-backend.js';
import { bytes, openPooled, startPooled, text } from './kit.js';

test('requests go over leases, which come back when the session has been idle', async (t) => {
  const { pool } = await startPooled(t);
  const released = new Promise((resolve) => pool.once('released', resolve));
  const session = openPooled(t, pool);
  t.is(text(await session.request(bytes('x'))), 'x');
  t.is(pool.stats().leased, 1);
  await released;
  t.like(pool.stats(), { leased: 0, idle: 1 });
  t.is(text(await session.request(bytes('y'))), 'y');
  t.is(pool.stats().total, 1);
});

test('with pipelining 1 each request has a lease of its own, which comes back with the answer', async (t) => {
  const { backend, pool } = await startPooled(t);
  const leases: Lease[] = [];
  const counting = {
    acquire: async (options?: AcquireOptions) => {
      const lease = await pool.acquire(options);
      leases.push(lease);
      return lease;
    },
  };
  const session = openPooled(t, counting, { pipelining: 1, connections: 3 });
  const names = Array.from({ length: 9 }, (_, index) => String(index));
  const answers = await Promise.all(names.map((name) => session.request(bytes(name))));
  t.deepEqual(answers.map(text), names);
  t.is(leases.length, 9);
  t.true(leases.every(({ spent }) => spent));
  t.true(backend.connections.length <= 3);
  t.is(pool.stats().leased, 0);
});

test('with pipelining 1 each of several requests fails with why no connection can be opened', async (t) => {
  const { pool } = await startPooled(t);
  const session = openPooled(t, pool, { pipelining: 1, serviceName: 'unknown-service' });
  const errors = await Promise.all(
    Array.from({ length: 10 }, () => failureOf(session.request(bytes('x'), { timeoutMs: Infinity }))),
  );
  t.deepEqual([...new Set(errors.map(({ code }) => code))], ['REFUSED']);
});

test('with pipelining 1 requests wait for the leases that a pool refuses for the time being', async (t) => {
  const { pool } = await startPooled(t, echo, { max: 1, maxWaiting: 0 });
  const session = openPooled(t, pool, { pipelining: 1 });
  await session.request(bytes('connects'));
  const answers = await Promise.all(['a', 'b', 'c'].map((name) => session.request(bytes(name))));
  t.deepEqual(answers.map(text), ['a', 'b', 'c']);
});

test('a session takes no more leases than connections allow, however many requests there are', async (t) => {
  const { backend, pool } = await startPooled(t);
  const session = openPooled(t, pool, { connections: 2, maxInFlight: 4 });
  await Promise.all(Array.from({ length: 200 }, () => session.request(bytes('x'))));
  t.true(backend.connections.length <= 2);
});

test('a pool that has fewer connections than the session wants serves it all the same', async (t) => {
  const { pool } = await startPooled(t, echo, { max: 1 });
  const session = openPooled(t, pool);
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, index) => session.request(bytes(String(index)))),
  );
  t.is(answers.length, 200);
  t.is(session.stats().connections, 1);
});

test('a backend that restarts is found again through the broker', async (t) => {
  const { backend, pool } = await startPooled(t);
  const session = openPooled(t, pool);
  await session.request(bytes('x'));
  backend.dropAll();
  t.is(text(await session.request(bytes('y'), { idempotent: true })), 'y');
});

test('a destroyed pool fails what is in flight, and later requests with POOL_CLOSED', async (t) => {
  const { backend, pool } = await startPooled(t, () => {});
  const session = openPooled(t, pool);
  const inFlight = failureOf(session.request(bytes('x')));
  await backend.until(() => backend.requests.length === 1);
  await pool.destroy();
  t.is((await inFlight).code, 'UNEXPECTED_EOF');
  t.is((await failureOf(session.request(bytes('y')))).code, 'POOL_CLOSED');
});

test('a request right behind the end of its pool fails with POOL_CLOSED, and not as one that was sent', async (t) => {
  const { pool } = await startPooled(t);
  const session = openPooled(t, pool);
  await session.request(bytes('x'));
  // The session holds a lease whose socket is destroyed, and has not heard of that.
  void pool.destroy();
  t.like(await failureOf(session.request(bytes('y'))), { code: 'POOL_CLOSED', attempts: 0 });
});

test('a pool that closes waits for the session to answer its requests', async (t) => {
  const { backend, pool } = await startPooled(t, () => {});
  const session = openPooled(t, pool);
  const request = session.request(bytes('x'));
  await backend.until(() => backend.requests.length === 1);
  const closed = pool.close();
  backend.connections[0]!.answer(backend.requests[0]!, bytes('done'));
  t.is(text(await request), 'done');
  await closed;
});

testWhere(canShare, SHARING)('a session works over a pool that another thread shares', async (t) => {
  const { pool } = await startPooled(t);
  const shared = await connectSharedPool(pool.share());
  const session = openPooled(t, shared);
  t.is(text(await session.request(bytes('x'))), 'x');
  await session.close();
  await shared.close();
});

/** Leases that go back soon. */
class BriefSource extends PoolSource {
  override readonly idleMs = 10;
  override readonly holdMs = 20;
}

test('a session that is never idle gives its leases back in turn, so that the pool can end old ones', async (t) => {
  const { pool } = await startPooled(t);
  const session = new Session(new BriefSource(pool, {}), checkSessionOptions({ payloadProtocol: PROTOCOL }));
  t.teardown(() => session.close());
  const ended = new Set<number>();
  const over = new AbortController();
  const ask = async (): Promise<void> => {
    while (!over.signal.aborted) t.is(text(await session.request(bytes('x'))), 'x');
  };
  pool.on('connectionClosed', ({ connectionId }) => ended.add(connectionId));
  const callers = Array.from({ length: 8 }, ask);
  while (pool.stats().leased < 4) await once(pool, 'acquired');
  pool.clear();
  while (ended.size < 4) await once(pool, 'connectionClosed');
  over.abort();
  await Promise.all(callers);
  t.pass();
});

test('a session with one connection keeps it while a request is in flight', async (t) => {
  const { backend, pool } = await startPooled(t, (request, connection) => {
    if (text(request.payload) !== 'slow') connection.answer(request, request.payload);
  });
  const options = checkSessionOptions({ payloadProtocol: PROTOCOL, connections: 1 });
  const session = new Session(new BriefSource(pool, {}), options);
  t.teardown(() => session.close({ timeoutMs: 0 }));
  session.request(bytes('slow')).catch(() => {});
  await backend.until(() => backend.requests.length === 1);
  const startedMs = performance.now();
  while (performance.now() - startedMs < 100) t.is(text(await session.request(bytes('x'))), 'x');
  t.is(backend.connections.length, 1);
});
