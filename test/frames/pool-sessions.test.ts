import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { checkSessionOptions } from '../../src/frames/options.js';
import { Session } from '../../src/frames/session.js';
import { PoolSource } from '../../src/frames/sources/pool-source.js';
import { connectSharedPool, type AcquireOptions, type BrokerPool, type Lease } from '../../src/index.js';
import { EmbeddedBroker } from '../../src/testing/index.js';
import { failureOf, openPool } from '../helpers/pools.js';
import test from '../helpers/sanitary.js';
import { SHARING, testWhere } from '../helpers/test-where.js';
import { canShare } from '../sharing/kit.js';
import { echo, PROTOCOL } from './frame-backend.js';
import { bytes, openPooled, startBackend, startPooled, text } from './kit.js';

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

for (const [title, end] of [
  ['destroyed', async (pool: BrokerPool, error: Error) => await pool.destroy(error)],
  ['closed without time', async (pool: BrokerPool) => await pool.close({ timeoutMs: 0 })],
] as const) {
  test(`a pool that is ${title} fails what is in flight, and later requests, with POOL_CLOSED`, async (t) => {
    const { backend, pool } = await startPooled(t, () => {});
    const session = openPooled(t, pool);
    const inFlight = [false, true].map((idempotent) =>
      failureOf(session.request(bytes('x'), { idempotent })),
    );
    await backend.until(() => backend.requests.length === 2);
    const reason = new Error('the program ends');
    await end(pool, reason);
    const [single, repeatable] = await Promise.all(inFlight);
    t.like(single, { code: 'POOL_CLOSED', endpoint: backend.endpoint, attempts: 1 });
    t.regex(single?.message ?? '', /^the pool .*The backend may have executed this request\.$/);
    if (title === 'destroyed') t.is(single?.cause, reason);
    t.is(repeatable?.code, 'POOL_CLOSED');
    t.is((await failureOf(session.request(bytes('y')))).code, 'POOL_CLOSED');
  });
}

test('a backend that ends while its pool closes fails requests with UNEXPECTED_EOF', async (t) => {
  const { backend, pool } = await startPooled(t, () => {});
  const inFlight = failureOf(openPooled(t, pool).request(bytes('x')));
  await backend.until(() => backend.requests.length === 1);
  const closed = pool.close();
  backend.dropAll();
  t.is((await inFlight).code, 'UNEXPECTED_EOF');
  await closed;
});

testWhere(canShare, SHARING)(
  'a shared pool that closes in its thread fails what is in flight with POOL_CLOSED',
  async (t) => {
    const { backend, pool } = await startPooled(t, () => {});
    const shared = await connectSharedPool(pool.share());
    const inFlight = failureOf(openPooled(t, shared).request(bytes('x')));
    await backend.until(() => backend.requests.length === 1);
    await shared.close({ timeoutMs: 0 });
    t.is((await inFlight).code, 'POOL_CLOSED');
  },
);

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

testWhere(canShare, SHARING)(
  'a shared pool whose own thread destroys it fails what is in flight with POOL_CLOSED',
  async (t) => {
    const { backend, pool } = await startPooled(t, () => {});
    const shared = await connectSharedPool(pool.share());
    const inFlight = failureOf(openPooled(t, shared).request(bytes('x')));
    await backend.until(() => backend.requests.length === 1);
    await pool.destroy();
    t.is((await inFlight).code, 'POOL_CLOSED');
    await shared.close();
  },
);

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

/** Resolves once the condition holds; it is looked at in each turn of the loop. */
async function until(isMet: () => boolean): Promise<void> {
  while (!isMet()) await setImmediate();
}

/** Sends requests one after the other from so many callers, until `isOver`; returns how many were answered so far. */
function keepAsking(session: Session, callers: number, isOver: () => boolean): { answered: number } {
  const count = { answered: 0 };
  const caller = async (): Promise<void> => {
    while (!isOver()) {
      await session.request(bytes('x'));
      count.answered++;
    }
  };
  for (let index = 0; index < callers; index++) caller().catch(() => {});
  return count;
}

for (const [sessions, max, callers] of [
  [3, 1, 8],
  [3, 1, 1],
  [2, 2, 64],
  [5, 2, 16],
] as const) {
  test(`${sessions} busy sessions of ${callers} callers on a pool of ${max} are all answered`, async (t) => {
    const { pool } = await startPooled(t, echo, { max });
    let isOver = false;
    const counts = Array.from({ length: sessions }, () =>
      keepAsking(openPooled(t, pool), callers, () => isOver),
    );
    await until(() => counts.every(({ answered }) => answered >= 300));
    isOver = true;
    t.true(pool.stats().leased <= max);
  });
}

test('a caller of a pool gets the only connection although a session is busy', async (t) => {
  const { pool } = await startPooled(t, echo, { max: 1 });
  const session = openPooled(t, pool);
  let isOver = false;
  const count = keepAsking(session, 8, () => isOver);
  await until(() => count.answered >= 10);
  for (let turn = 0; turn < 3; turn++) {
    const lease = await pool.acquire();
    const enough = count.answered + 100;
    lease.release();
    await until(() => count.answered >= enough);
  }
  isOver = true;
  t.pass();
});

test('a caller of another target gets the only place of maxTotal although a session is busy', async (t) => {
  const { endpoint } = await startBackend(t);
  const broker = await EmbeddedBroker.start({ services: { one: { endpoint }, other: { endpoint } } });
  t.teardown(() => broker.stop());
  const target = { brokerEndpoint: broker.endpoint, serviceName: 'one', wantedVersion: '1.0.0' };
  const pool = openPool(t, target, { maxTotal: 1 });
  const session = openPooled(t, pool);
  let isOver = false;
  const count = keepAsking(session, 8, () => isOver);
  await until(() => count.answered >= 10);
  const lease = await pool.acquire({ serviceName: 'other' });
  const enough = count.answered + 100;
  lease.release();
  await until(() => count.answered >= enough);
  isOver = true;
  t.pass();
});

test('a session whose request takes long answers others on the only connection, although a caller waits', async (t) => {
  const { backend, pool } = await startPooled(
    t,
    (request, connection) => {
      if (text(request.payload) !== 'slow') connection.answer(request, request.payload);
    },
    { max: 1 },
  );
  const session = openPooled(t, pool);
  const slow = session.request(bytes('slow'));
  await backend.until(() => backend.requests.length === 1);
  const waiting = pool.acquire();
  // More than one turn: the connection retires and takes requests again.
  const startedMs = performance.now();
  while (performance.now() - startedMs < 600) t.is(text(await session.request(bytes('x'))), 'x');
  backend.connections[0]!.answer(backend.requests[0]!, bytes('done'));
  t.is(text(await slow), 'done');
  (await waiting).release();
});

test('a session without requests gives its connection back when a caller waits', async (t) => {
  const { pool } = await startPooled(t, echo, { max: 1 });
  const session = openPooled(t, pool);
  await session.request(bytes('x'));
  (await pool.acquire()).release();
  t.is(session.stats().connections, 0);
});

test('sessions that wait for one connection more take none from each other', async (t) => {
  const { pool } = await startPooled(t, echo, { max: 2 });
  let isOver = false;
  const counts = [openPooled(t, pool), openPooled(t, pool)].map((session) =>
    keepAsking(session, 8, () => isOver),
  );
  await until(() => pool.stats().leased === 2 && counts.every(({ answered }) => answered > 0));
  let changes = 0;
  pool.on('acquired', () => changes++);
  const enough = counts.map(({ answered }) => answered + 5_000);
  await until(() => counts.every(({ answered }, index) => answered >= enough[index]!));
  isOver = true;
  // One of them may have had two.
  t.true(changes <= 1);
});
