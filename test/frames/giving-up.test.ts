import { once } from 'node:events';
import { BrokerPoolError } from '../../src/index.js';
import { startTestSystem } from '../../src/testing/index.js';
import { failureOf, openPool } from '../helpers/pools.js';
import { scaled } from '../helpers/patience.js';
import test from '../helpers/sanitary.js';
import { echo } from './frame-backend.js';
import { bytes, openDirect, openPooled, startBackend, startPooled, text } from './kit.js';

/** A deadline that is meant to pass, and before it the request must be sent. */
const SHORT_MS = scaled(50);

test('an aborted request fails with ABORTED and the reason of its signal', async (t) => {
  const backend = await startBackend(t, () => {});
  const session = openDirect(t, backend);
  const controller = new AbortController();
  const request = session.request(bytes('x'), { signal: controller.signal });
  await backend.until(() => backend.requests.length === 1);
  controller.abort(new Error('enough'));
  const error = await failureOf(request);
  t.is(error.code, 'ABORTED');
  t.like(error.cause, { message: 'enough' });
  t.regex(error.message, /sent and not answered, 1 attempt/);
});

test('a request whose signal has aborted is not sent', async (t) => {
  const backend = await startBackend(t);
  const session = openDirect(t, backend);
  t.is((await failureOf(session.request(bytes('x'), { signal: AbortSignal.abort() }))).code, 'ABORTED');
  await session.request(bytes('y'));
  t.deepEqual(
    backend.requests.map(({ payload }) => text(payload)),
    ['y'],
  );
});

test('a request that is aborted before it is written is never written', async (t) => {
  const backend = await startBackend(t);
  const session = openDirect(t, backend, { connections: 1, maxInFlight: 1 });
  await session.request(bytes('opens the connection'));
  backend.onRequest = () => {};
  const controller = new AbortController();
  const first = session.request(bytes('first'));
  const aborted = session.request(bytes('aborted'), { signal: controller.signal });
  controller.abort();
  t.is((await failureOf(aborted)).code, 'ABORTED');
  await backend.until(() => backend.requests.length === 2);
  backend.onRequest = echo;
  backend.connections[0]!.answer(backend.requests[1]!, bytes('done'));
  t.is(text(await first), 'done');
  await session.request(bytes('last'));
  t.deepEqual(
    backend.requests.map(({ payload }) => text(payload)),
    ['opens the connection', 'first', 'last'],
  );
});

test('a signal has no listener left after its request', async (t) => {
  const session = openDirect(t, await startBackend(t));
  const { signal } = new AbortController();
  let listeners = 0;
  const watched = new Proxy(signal, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (name === 'addEventListener') listeners++;
      if (name === 'removeEventListener') listeners--;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  await session.request(bytes('x'), { signal: watched });
  t.is(listeners, 0);
});

test('a request that is not answered in time fails with TIMEOUT in phase request', async (t) => {
  const session = openDirect(t, await startBackend(t, () => {}));
  const error = await failureOf(session.request(bytes('x'), { timeoutMs: SHORT_MS }));
  t.like(error, { code: 'TIMEOUT', phase: 'request', attempts: 1 });
  t.true(error.message.includes(`no answer within ${SHORT_MS} ms`), error.message);
});

test('the timeout of the session holds for requests without one', async (t) => {
  const session = openDirect(t, await startBackend(t, () => {}), { timeoutMs: SHORT_MS });
  t.is((await failureOf(session.request(bytes('x')))).code, 'TIMEOUT');
});

test('the id of a timed-out request stays reserved, and its late answer reaches no other (S-55)', async (t) => {
  const backend = await startBackend(t, () => {});
  const session = openDirect(t, backend, { connections: 1 });
  t.is((await failureOf(session.request(bytes('slow'), { timeoutMs: SHORT_MS }))).code, 'TIMEOUT');
  t.is(session.stats().abandoned, 1);
  const next = session.request(bytes('next'));
  await backend.until(() => backend.requests.length === 2);
  const [connection] = backend.connections;
  connection!.answer(backend.requests[0]!, bytes('late'));
  connection!.answer(backend.requests[1]!, bytes('in time'));
  t.is(text(await next), 'in time');
  t.not(backend.requests[0]!.requestId, backend.requests[1]!.requestId);
  t.like(session.stats(), { abandoned: 0, unaskedFrames: 1 });
});

test('a peer that never answers id 7 keeps no other request from its answer', async (t) => {
  const backend = await startBackend(t, (request, connection) => {
    if (request.requestId !== 7) connection.answer(request, request.payload);
  });
  const session = openDirect(t, backend, { connections: 1 });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 30 }, (_, index) =>
      session.request(bytes(String(index)), index === 6 ? { timeoutMs: SHORT_MS } : {}),
    ),
  );
  t.deepEqual(
    outcomes.flatMap(({ status }, index) => (status === 'rejected' ? [index] : [])),
    [6],
  );
  t.is(session.stats().abandoned, 1);
  t.is(text(await session.request(bytes('on'))), 'on');
});

test('a connection with half of its places abandoned is replaced', async (t) => {
  const backend = await startBackend(t, () => {});
  const session = openDirect(t, backend, { connections: 1, maxInFlight: 4 });
  const lost = [1, 2].map(() => failureOf(session.request(bytes('x'), { timeoutMs: SHORT_MS })));
  await Promise.all(lost);
  backend.onRequest = echo;
  t.is(text(await session.request(bytes('y'))), 'y');
  t.is(backend.connections.length, 2);
  await backend.until(() => backend.openConnections === 1);
  t.is(session.stats().abandoned, 0);
});

test('a connection that owes an answer never goes back to its pool (S-55)', async (t) => {
  const { backend, pool } = await startPooled(t, () => {});
  const session = openPooled(t, pool);
  t.is((await failureOf(session.request(bytes('x'), { timeoutMs: SHORT_MS }))).code, 'TIMEOUT');
  await session.close();
  t.like(pool.stats(), { idle: 0, leased: 0 });
  await backend.until(() => backend.openConnections === 0);
});

test('QUEUE_FULL comes for one request more than may be in flight and wait', async (t) => {
  const backend = await startBackend(t, () => {});
  const session = openDirect(t, backend, {
    connections: 1,
    maxInFlight: 2,
    maxWaiting: 1,
    timeoutMs: Infinity,
  });
  const admitted = [1, 2, 3].map(() => failureOf(session.request(bytes('x'))));
  t.is((await failureOf(session.request(bytes('x')))).code, 'QUEUE_FULL');
  await session.close({ timeoutMs: 0 });
  t.deepEqual(
    (await Promise.all(admitted)).map(({ code }) => code),
    ['SESSION_CLOSED', 'SESSION_CLOSED', 'SESSION_CLOSED'],
  );
});

test('a request that waits for a connection is given up in time', async (t) => {
  const { pool } = await startPooled(t, echo, { max: 1 });
  await using lease = await pool.acquire();
  const session = openPooled(t, pool);
  const error = await failureOf(session.request(bytes('x'), { timeoutMs: SHORT_MS }));
  t.like(error, { code: 'TIMEOUT', phase: 'request', attempts: 0 });
  t.regex(error.message, /waiting for a connection/);
  t.false(lease.spent);
  t.is(pool.stats().waiting, 0);
});

test('a timeout of a request that waits for a refused connection has the refusal in its cause', async (t) => {
  const { pool } = await startPooled(t);
  const session = openPooled(t, pool, { wantedVersion: '9.9.9', timeoutMs: 30_000 });
  const first = failureOf(session.request(bytes('first')));
  await once(pool, 'connectRetrying');
  const error = await failureOf(session.request(bytes('x'), { timeoutMs: SHORT_MS }));
  t.like(error, { code: 'TIMEOUT', phase: 'request', attempts: 0 });
  t.regex(error.message, /, nor a connection in phase connect; connecting failed last with REFUSED: /);
  const { cause } = error;
  if (!(cause instanceof BrokerPoolError)) return t.fail();
  t.like(cause, { code: 'TIMEOUT', phase: 'connect', wantedVersion: '9.9.9' });
  t.like(cause.cause, { code: 'REFUSED', refusalCode: 3 });
  await session.close({ timeoutMs: 0 });
  await first;
});

test('a timeout of a request that waits for a silent broker names the phase and the broker', async (t) => {
  await using system = await startTestSystem();
  system.broker.behaviour = { kind: 'silent' };
  const session = openPooled(t, openPool(t, system.target), { timeoutMs: 30_000 });
  const asked = system.broker.nextHello();
  const first = failureOf(session.request(bytes('first')));
  await asked;
  const error = await failureOf(session.request(bytes('x'), { timeoutMs: SHORT_MS }));
  t.like(error, { code: 'TIMEOUT', phase: 'request', endpoint: system.target.brokerEndpoint });
  t.like(error.cause, { code: 'TIMEOUT', phase: 'hello' });
  t.regex(error.message, / The broker is silent or overloaded/);
  await session.close({ timeoutMs: 0 });
  await first;
});

test('a timeout of a request over a pool that does not tell why it waits says where to look', async (t) => {
  const session = openPooled(t, { acquire: () => new Promise(() => {}) });
  const error = await failureOf(session.request(bytes('x'), { timeoutMs: SHORT_MS }));
  t.regex(error.message, / See why no connection comes about/);
  t.is(error.cause, undefined);
});

test('a timeout of a request that got no connection does not blame the backend', async (t) => {
  const { pool } = await startPooled(t, () => {}, { max: 1 });
  const lease = await pool.acquire();
  const waiting = await failureOf(openPooled(t, pool).request(bytes('x'), { timeoutMs: SHORT_MS }));
  t.regex(
    waiting.message,
    /echo 1\.0\.0 at .*: waiting for a connection.* Raise max, or hold leases and detached/,
  );
  lease.release();
  const session = openPooled(t, pool, { connections: 1, maxInFlight: 1 });
  const first = failureOf(session.request(bytes('first'), { timeoutMs: 5_000 }));
  while (session.stats().inFlight === 0) await new Promise((resolve) => setImmediate(resolve));
  const second = await failureOf(session.request(bytes('second'), { timeoutMs: SHORT_MS }));
  t.regex(second.message, /waiting for a connection.* Allow more connections, maxInFlight or time/);
  await session.close({ timeoutMs: 0 });
  await first;
});
