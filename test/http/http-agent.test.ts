import { once } from 'node:events';
import { get, request, type ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';
import { text } from 'node:stream/consumers';
import { AsyncLocalStorage } from 'node:async_hooks';
import { connectSharedPool, type BrokerPool } from '../../src/index.js';
import { httpAgent } from '../../src/http/index.js';
import { until } from '../helpers/leftovers.js';
import { poolBefore } from '../helpers/pools.js';
import { scaled } from '../helpers/patience.js';
import test from '../helpers/sanitary.js';
import { SHARING, testWhere } from '../helpers/test-where.js';
import { canShare } from '../sharing/kit.js';
import { ask, httpServer, responseTo } from './kit.js';

/** The error of a request. */
async function errorOf(asking: ClientRequest): Promise<NodeJS.ErrnoException> {
  const [error]: NodeJS.ErrnoException[] = await once(asking, 'error');
  if (error === undefined) throw new Error('no error');
  return error;
}

test('requests share one connection, which is idle between them', async (t) => {
  const pool = await poolBefore(t, httpServer());
  const agent = httpAgent(pool);
  t.is(await ask({ agent, path: '/one' }), 'GET /one');
  await turn();
  t.like(pool.stats(), { idle: 1, leased: 0 });
  t.is(await ask({ agent, path: '/two', method: 'POST' }, 'word'), 'POST /two word');
  await turn();
  t.like(pool.stats(), { idle: 1, leased: 0, created: 1 });
});

test('50 requests at a time on max 5 are all answered, over five connections', async (t) => {
  const pool = await poolBefore(t, httpServer(), { max: 5 });
  const agent = httpAgent(pool);
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, index) => ask({ agent, path: `/${index}` })),
  );
  t.deepEqual(
    answers,
    Array.from({ length: 50 }, (_, index) => `GET /${index}`),
  );
  await turn();
  t.like(pool.stats(), { created: 5, idle: 5, waiting: 0 });
});

/** The codes of an error and of its causes. */
function codesOf(error: unknown): unknown[] {
  return error instanceof Error ? [Reflect.get(error, 'code'), ...codesOf(error.cause)] : [];
}

/** Leases of a pool so far. */
function leasesOf(pool: BrokerPool): number {
  return Object.values(pool.stats().acquiredByRoute).reduce((sum, count) => sum + count, 0);
}

test('a request that follows an answer at once has the lease of the one before, 32 requests in a row at most', async (t) => {
  const pool = await poolBefore(t, httpServer());
  const agent = httpAgent(pool);
  for (let count = 0; count < 32; count += 1) t.is(await ask({ agent }), 'GET /');
  t.is(leasesOf(pool), 1);
  t.is(await ask({ agent }), 'GET /');
  t.is(leasesOf(pool), 2);
  await turn();
  t.is(await ask({ agent }), 'GET /');
  t.is(leasesOf(pool), 3);
  t.is(pool.stats().created, 1);
});

test('a caller that waits gets the connection before a request that follows an answer', async (t) => {
  const pool = await poolBefore(t, httpServer(), { max: 1 });
  const agent = httpAgent(pool);
  const order: string[] = [];
  const asking = ask({ agent }).then(() => ask({ agent }).then(() => order.push('second request')));
  const lease = await pool.acquire();
  order.push('caller');
  lease.release();
  await asking;
  t.deepEqual(order, ['caller', 'second request']);
});

test('a request finds no connection that ended in the turn of the answer before it', async (t) => {
  const pool = await poolBefore(t, httpServer());
  const agent = httpAgent(pool);
  t.is(await ask({ agent }), 'GET /');
  agent.destroy();
  t.is(await ask({ agent }), 'GET /');
  t.like(pool.stats(), { created: 1, closedByReason: { destroyed: 0 } });
  void pool.destroy();
  await t.throwsAsync(ask({ agent }), { code: 'POOL_CLOSED' });
});

test('a request that is answered before it has been sent keeps its connection until both are over', async (t) => {
  const server = httpServer((asked, response) => {
    response.end('word');
    asked.resume();
  });
  const pool = await poolBefore(t, server);
  const agent = httpAgent(pool);
  const asking = request({ agent, host: 'backend', method: 'POST' });
  asking.write('part');
  const [response] = await once(asking, 'response');
  t.is(await text(response), 'word');
  await turn();
  t.like(pool.stats(), { leased: 1 });
  asking.end('rest');
  await until(() => pool.stats().idle === 1);
  t.is(await ask({ agent }), 'word');
  t.is(pool.stats().created, 1);
});

testWhere(canShare, SHARING)('requests go over a pool that another thread shares', async (t) => {
  const pool = await poolBefore(t, httpServer(), { max: 2 });
  const shared = await connectSharedPool(pool.share());
  const agent = httpAgent(shared);
  const paths = Array.from({ length: 10 }, (_, index) => `/${index}`);
  const answers = await Promise.all(paths.map((path) => ask({ agent, path })));
  t.deepEqual(
    answers,
    paths.map((path) => `GET ${path}`),
  );
  t.true(pool.stats().created <= 2);
  await shared.close();
});

test('each request has a lease of its own where leases are watched', async (t) => {
  const pool = await poolBefore(t, httpServer(), { leakThresholdMs: 10_000 });
  const agent = httpAgent(pool);
  for (let count = 0; count < 3; count += 1) t.is(await ask({ agent }), 'GET /');
  t.is(leasesOf(pool), 3);
});

test('a request that is destroyed while it waits leaves no waiter, and fails at once as with any agent', async (t) => {
  const pool = await poolBefore(t, httpServer(), { max: 1 });
  const agent = httpAgent(pool);
  const held = await pool.acquire();
  const silent = get({ agent, host: 'backend' });
  const loud = get({ agent, host: 'backend' });
  const aborter = new AbortController();
  const aborted = get({ agent, host: 'backend', signal: aborter.signal });
  t.like(pool.stats(), { waiting: 3 });
  const failures = [silent, loud, aborted].map(errorOf);
  const closed = [silent, loud, aborted].map(
    (asking) => new Promise((resolve) => asking.on('close', resolve)),
  );
  silent.destroy();
  loud.destroy(new Error('mine'));
  aborter.abort();
  t.like(await failures[0], { code: 'ECONNRESET', message: 'socket hang up' });
  t.like(await failures[1], { message: 'mine' });
  t.like(await failures[2], { name: 'AbortError' });
  await Promise.all(closed);
  t.like(pool.stats(), { waiting: 0, leased: 1 });
  held.release();
  t.is(await ask({ agent }), 'GET /');
});

test('a request whose signal has aborted before asks for no connection', async (t) => {
  const pool = await poolBefore(t, httpServer());
  const asking = get({ agent: httpAgent(pool), host: 'backend', signal: AbortSignal.abort() });
  t.like(await errorOf(asking), { name: 'AbortError' });
  t.like(pool.stats(), { total: 0, connecting: 0, waiting: 0 });
});

test('a request that is destroyed in the turn in which it gets its connection sends nothing and gives it back', async (t) => {
  const pool = await poolBefore(t, httpServer());
  const agent = httpAgent(pool);
  t.is(await ask({ agent }), 'GET /');
  await turn();
  const asking = get({ agent, host: 'backend' });
  asking.destroy();
  t.like(await errorOf(asking), { code: 'ECONNRESET' });
  await turn();
  t.like(pool.stats(), { idle: 1, total: 1, created: 1 });
});

test('a request that is destroyed before its answer closes its connection and frees its place', async (t) => {
  const server = httpServer(() => {});
  const pool = await poolBefore(t, server, { max: 1 });
  const asking = get({ agent: httpAgent(pool), host: 'backend' });
  await once(server, 'request');
  asking.destroy();
  t.like(await errorOf(asking), { code: 'ECONNRESET' });
  await until(() => pool.stats().total === 0);
  t.like(pool.stats(), { leased: 0, total: 0 });
});

test("a request's timeout runs while it waits for a connection, and during its answer", async (t) => {
  const pool = await poolBefore(
    t,
    httpServer(() => {}),
    { max: 1 },
  );
  const agent = httpAgent(pool);
  const held = await pool.acquire();
  const waiting = get({ agent, host: 'backend', timeout: 20 });
  await once(waiting, 'timeout');
  t.like(pool.stats(), { waiting: 1 });
  waiting.destroy();
  await errorOf(waiting);
  held.release();
  const unanswered = get({ agent, host: 'backend', timeout: 20 });
  await once(unanswered, 'timeout');
  t.like(pool.stats(), { leased: 1 });
  unanswered.destroy();
  await errorOf(unanswered);
});

test('a request that gets no connection fails with the TIMEOUT of the pool, whatever setTimeout says', async (t) => {
  const pool = await poolBefore(t, httpServer(), { max: 1, acquireTimeoutMs: 50 });
  const held = await pool.acquire({ timeoutMs: 30_000 });
  const asking = get({ agent: httpAgent(pool), host: 'backend' });
  asking.setTimeout(1, () => t.fail('there was no connection whose pause could be too long'));
  t.like(await errorOf(asking), { code: 'TIMEOUT', phase: 'queue' });
  t.like(pool.stats(), { waiting: 0 });
  held.release();
});

test('a connection whose answer says `Connection: close` is closed, and the next request gets another', async (t) => {
  const pool = await poolBefore(
    t,
    httpServer((_, response) => response.setHeader('connection', 'close').end('word')),
  );
  const agent = httpAgent(pool);
  t.is(await ask({ agent }), 'word');
  t.is(await ask({ agent }), 'word');
  await until(() => pool.stats().total === 0);
  t.like(pool.stats(), { created: 2, total: 0, closedByReason: { destroyed: 2, stale: 0 } });
});

test('a request that is aborted on a connection that has answered before closes it as destroyed', async (t) => {
  const server = httpServer((asked, response) => asked.url === '/' || response.end('word'));
  const pool = await poolBefore(t, server);
  const agent = httpAgent(pool);
  t.is(await ask({ agent, path: '/one' }), 'word');
  const arrived = once(server, 'request');
  const aborter = new AbortController();
  const asking = get({ agent, host: 'backend', signal: aborter.signal });
  await arrived;
  aborter.abort();
  t.like(await errorOf(asking), { name: 'AbortError' });
  await until(() => pool.stats().total === 0);
  t.like(pool.stats(), { closedByReason: { destroyed: 1, error: 0 } });
});

test('a request that is aborted while the backend has never said a word is evidence against the endpoint (X-26)', async (t) => {
  const server = httpServer(() => {});
  const pool = await poolBefore(t, server);
  const asking = get({ agent: httpAgent(pool), host: 'backend' });
  await once(server, 'request');
  asking.destroy();
  await errorOf(asking);
  await until(() => pool.stats().total === 0);
  t.like(pool.stats(), { cachedEndpoints: 0, closedByReason: { stale: 1 } });
});

test('a request that asks for `Connection: close` closes its connection', async (t) => {
  const pool = await poolBefore(t, httpServer());
  t.is(await ask({ agent: httpAgent(pool), headers: { connection: 'close' } }), 'GET /');
  await until(() => pool.stats().total === 0);
  t.like(pool.stats(), { total: 0 });
});

test('a connection whose answer is not read stays leased, and one whose answer is destroyed is closed', async (t) => {
  const pool = await poolBefore(
    t,
    httpServer((_, response) => response.write('part')),
  );
  const response = await responseTo({ agent: httpAgent(pool) });
  t.like(pool.stats(), { leased: 1 });
  response.destroy();
  await until(() => pool.stats().total === 0);
  t.like(pool.stats(), { leased: 0, total: 0 });
});

test('an upgraded connection is given to its request for good', async (t) => {
  const server = httpServer();
  server.on('upgrade', (_, peer: Socket) => {
    peer.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    peer.pipe(peer);
  });
  const pool = await poolBefore(t, server);
  const agent = httpAgent(pool);
  const asking = get({ agent, host: 'backend', headers: { connection: 'upgrade', upgrade: 'echo' } });
  const [, socket]: Socket[] = await once(asking, 'upgrade');
  t.like(pool.stats(), { leased: 0, detached: 1 });
  socket?.write('word');
  t.is(String((await once(socket ?? asking, 'data'))[0]), 'word');
  agent.destroy();
  t.false(socket?.destroyed);
  socket?.destroy();
  t.like(pool.stats(), { detached: 0, closedByReason: { destroyed: 1 } });
});

test('the tunnel of a CONNECT is given to its request for good', async (t) => {
  const server = httpServer();
  server.on('connect', (_, peer: Socket) => peer.end('HTTP/1.1 200 OK\r\n\r\nword'));
  const pool = await poolBefore(t, server);
  const asking = request({ agent: httpAgent(pool), host: 'backend', method: 'CONNECT', path: 'a:1' }).end();
  const [, socket, head] = await once(asking, 'connect');
  t.is(String(head) + (await text(socket)), 'word');
  await until(() => pool.stats().total === 0);
  t.like(pool.stats(), { leased: 0, detached: 0 });
});

test('a request over a connection that was in use before has reusedSocket, the first one has not', async (t) => {
  const pool = await poolBefore(t, httpServer());
  const agent = httpAgent(pool);
  const reused: boolean[] = [];
  for (let round = 0; round < 2; round += 1) {
    const asking = get({ agent, host: 'backend' });
    const [response] = await once(asking, 'response');
    await text(response);
    reused.push(asking.reusedSocket);
    await turn();
  }
  t.deepEqual(reused, [false, true]);
});

test('a connection that its backend ends as a request leaves fails that request with ECONNRESET and reusedSocket', async (t) => {
  const server = httpServer();
  const peers: Socket[] = [];
  server.on('connection', (peer: Socket) => peers.push(peer));
  const pool = await poolBefore(t, server);
  const agent = httpAgent(pool);
  t.is(await ask({ agent }), 'GET /');
  await turn();
  const asking = get({ agent, host: 'backend' });
  // In this turn, so that the pool has not heard of it.
  for (const peer of peers) peer.destroy();
  t.regex((await errorOf(asking)).code ?? '', /^(?:ECONNRESET|EPIPE)$/);
  t.true(asking.reusedSocket);
  t.is(await ask({ agent }), 'GET /');
});

test('a connection that its backend announced to close within a second is closed after the answer', async (t) => {
  const server = httpServer();
  server.keepAliveTimeout = 1_000;
  const pool = await poolBefore(t, server);
  const agent = httpAgent(pool);
  for (let round = 0; round < 2; round += 1) t.is(await ask({ agent }), 'GET /');
  t.like(pool.stats(), { created: 2, total: 0, closedByReason: { destroyed: 2 } });
});

test('a connection is not used in the last second that its backend announced', async (t) => {
  // Both requests must be answered within this.
  const usableS = Math.ceil(scaled(1_000) / 1_000);
  const server = httpServer((_, response) =>
    response.setHeader('keep-alive', `timeout=${usableS + 1}`).end('word'),
  );
  // The server itself keeps it, however long that is on a slow machine.
  server.keepAliveTimeout = 0;
  const pool = await poolBefore(t, server);
  const agent = httpAgent(pool);
  t.is(await ask({ agent }), 'word');
  t.is(await ask({ agent }), 'word');
  t.is(pool.stats().created, 1);
  await pause(usableS * 1_000 + 1);
  t.is(await ask({ agent }), 'word');
  t.like(pool.stats(), { created: 2, closedByReason: { destroyed: 1 } });
});

test('agent.destroy() ends the requests under way, and neither those that wait nor the pool', async (t) => {
  let silent = true;
  const pool = await poolBefore(
    t,
    httpServer((_, response) => silent || response.end('word')),
    { max: 1 },
  );
  const agent = httpAgent(pool);
  const first = get({ agent, host: 'backend' });
  await once(first, 'socket');
  const second = ask({ agent });
  silent = false;
  agent.destroy();
  t.like(await errorOf(first), { code: 'ECONNRESET' });
  t.is(await second, 'word');
  t.is(await ask({ agent }), 'word');
});

test('close() of the pool lets requests under way be answered', async (t) => {
  const pool = await poolBefore(t, httpServer(), { max: 1 });
  const agent = httpAgent(pool);
  const answers = [ask({ agent, path: '/one' }), ask({ agent, path: '/two' })];
  const closing = pool.close();
  t.deepEqual(await Promise.all(answers), ['GET /one', 'GET /two']);
  await closing;
  t.like(await errorOf(get({ agent, host: 'backend' })), { code: 'POOL_CLOSED' });
});

test('a request that gets no connection in time fails with the TIMEOUT of the pool', async (t) => {
  const pool = await poolBefore(t, httpServer(), { max: 1, acquireTimeoutMs: 20 });
  const held = await pool.acquire({ timeoutMs: 30_000 });
  const asking = get({ agent: httpAgent(pool), host: 'backend' });
  t.like(await errorOf(asking), { code: 'TIMEOUT', phase: 'queue' });
  held.release();
});

test('a request to a backend that has gone fails with BACKEND_CONNECT, and why in its cause', async (t) => {
  const server = httpServer();
  const pool = await poolBefore(t, server, { retry: false });
  const agent = httpAgent(pool);
  t.is(await ask({ agent }), 'GET /');
  await turn();
  server.close();
  server.closeAllConnections();
  await until(() => pool.stats().total === 0);
  const error = await errorOf(get({ agent, host: 'backend' }));
  t.is(error.code, 'BACKEND_CONNECT');
  t.regex(codesOf(error).join(), /ENOENT|ECONNREFUSED/);
});

test('a request to a service that the broker does not know fails with its refusal', async (t) => {
  const pool = await poolBefore(t, httpServer());
  const agent = httpAgent(pool, { serviceName: 'unknown' });
  const error = await errorOf(get({ agent, host: 'backend' }));
  t.like(error, { code: 'REFUSED', serviceName: 'unknown' });
});

test('callbacks of a request run in its asynchronous context, whether it waited or not', async (t) => {
  const pool = await poolBefore(t, httpServer(), { max: 1 });
  const agent = httpAgent(pool);
  const storage = new AsyncLocalStorage<number>();
  const seen = await Promise.all(
    [1, 2, 3].map((id) =>
      storage.run(
        id,
        () =>
          new Promise<number | undefined>((resolve) =>
            get({ agent, host: 'backend' }, (response) =>
              response.resume().on('end', () => resolve(storage.getStore())),
            ),
          ),
      ),
    ),
  );
  t.deepEqual(seen, [1, 2, 3]);
});

test('an agent refuses what is no pool, and targets with unknown or bad options', async (t) => {
  const pool = await poolBefore(t, httpServer());
  t.throws(() => Reflect.apply(httpAgent, undefined, [undefined]), {
    code: 'INVALID_ARGUMENT',
    message: /^pool /,
  });
  t.throws(() => Reflect.apply(httpAgent, undefined, [pool, { service: 'x' }]), {
    code: 'INVALID_ARGUMENT',
    message: /service/,
  });
  t.throws(() => httpAgent(pool, { serviceName: '' }), { code: 'INVALID_ARGUMENT', message: /serviceName/ });
});
