import { failureOf } from '../helpers/pools.js';
import test from '../helpers/sanitary.js';
import { bytes, openDirect, openPooled, startBackend, startPooled, text } from './kit.js';

test('close waits for the answers of requests that were made before', async (t) => {
  const backend = await startBackend(t, () => {});
  const session = openDirect(t, backend, { connections: 1, maxInFlight: 1 });
  const [first, second] = [session.request(bytes('first')), session.request(bytes('second'))];
  const closed = session.close();
  t.is((await failureOf(session.request(bytes('x')))).code, 'SESSION_CLOSED');
  await backend.until(() => backend.requests.length === 1);
  backend.onRequest = (request, connection) => connection.answer(request, request.payload);
  backend.connections[0]!.answer(backend.requests[0]!, bytes('answer'));
  t.deepEqual([text(await first), text(await second)], ['answer', 'second']);
  await closed;
  await backend.until(() => backend.openConnections === 0);
});

test('the errors of a closed session and of a full one say where, for what and what to do', async (t) => {
  const backend = await startBackend(t, () => {});
  const session = openDirect(t, backend, { connections: 1, maxInFlight: 1, maxWaiting: 0 });
  const first = failureOf(session.request(bytes('x')));
  const full = await failureOf(session.request(bytes('x')));
  t.like(full, { code: 'QUEUE_FULL', endpoint: backend.endpoint, attempts: 0 });
  t.regex(full.message, /\(request at .*: waiting 1, in flight 0, 0 attempts in \d+ ms\)\. Come back later/);
  await session.close({ timeoutMs: 0 });
  t.is((await first).code, 'SESSION_CLOSED');
  const closed = await failureOf(session.request(bytes('x')));
  t.like(closed, { code: 'SESSION_CLOSED', endpoint: backend.endpoint });
  t.regex(closed.message, /Use another session\.$/);
});

test('close fails what is not answered in time with SESSION_CLOSED', async (t) => {
  const backend = await startBackend(t, () => {});
  const session = openDirect(t, backend, { connections: 1, maxInFlight: 1 });
  const requests = [1, 2].map(() => failureOf(session.request(bytes('x'))));
  await backend.until(() => backend.requests.length === 1);
  await session.close({ timeoutMs: 10 });
  for (const error of await Promise.all(requests)) {
    t.is(error.code, 'SESSION_CLOSED');
    t.regex(error.message, /did not come within 10 ms/);
  }
});

test('a later close may shorten the time, and all calls of it end together', async (t) => {
  const backend = await startBackend(t, () => {});
  const session = openDirect(t, backend);
  const request = failureOf(session.request(bytes('x')));
  await backend.until(() => backend.requests.length === 1);
  const calls = [session.close(), session.close({ timeoutMs: 5 }), session.close({ timeoutMs: 20_000 })];
  let ended = 0;
  for (const call of calls) void call.then(() => (ended += 1));
  await Promise.race(calls);
  await new Promise(setImmediate);
  t.is(ended, calls.length);
  const error = await request;
  t.is(error.code, 'SESSION_CLOSED');
  t.regex(error.message, /did not come within 5 ms/);
});

test('close gives leases back to the pool, which stays open', async (t) => {
  const { pool } = await startPooled(t);
  const session = openPooled(t, pool);
  await session.request(bytes('x'));
  await session.close();
  t.like(pool.stats(), { leased: 0, idle: 1 });
  t.false(pool.closed);
});

test('close while a connection is being opened leaves neither a waiter nor a lease', async (t) => {
  // No answer could be faster than the close.
  const { pool } = await startPooled(t, () => {});
  const session = openPooled(t, pool);
  const request = failureOf(session.request(bytes('x')));
  await session.close({ timeoutMs: 0 });
  t.is((await request).code, 'SESSION_CLOSED');
  await pool.close();
  t.like(pool.stats(), { leased: 0, waiting: 0 });
});

test('closing a session that was never used ends at once', async (t) => {
  await openDirect(t, await startBackend(t)).close();
  t.pass();
});

test('close refuses options that do not exist', async (t) => {
  const session = openDirect(t, await startBackend(t));
  const wrong: object = { timeout: 5 };
  t.is((await failureOf(session.close(wrong))).code, 'INVALID_ARGUMENT');
  t.false(session.closed);
});
