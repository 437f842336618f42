import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { Agent, Client, fetch, Pool } from 'undici';
import { undiciConnector } from '../../src/http/index.js';
import { until } from '../helpers/leftovers.js';
import { poolBefore } from '../helpers/pools.js';
import test from '../helpers/sanitary.js';
import { httpServer } from './kit.js';

const numbers = Array.from({ length: 50 }, (_, index) => index);

test('requests of a Client share a detached socket, which closes with the Client', async (t) => {
  const pool = await poolBefore(t, httpServer());
  // Its own limit of four seconds may pass between two requests on a busy machine.
  const client = new Client('http://backend', { connect: undiciConnector(pool), keepAliveTimeout: 600_000 });
  for (const path of ['/one', '/two']) {
    const { body } = await client.request({ path, method: 'GET' });
    t.is(await body.text(), `GET ${path}`);
  }
  t.like(pool.stats(), { created: 1, detached: 1 });
  await client.close();
  await until(() => pool.stats().total === 0);
});

test('a request to an https URL is refused, instead of sent in plain text', async (t) => {
  const pool = await poolBefore(t, httpServer());
  const dispatcher = new Agent({ connect: undiciConnector(pool) });
  await t.throwsAsync(dispatcher.request({ origin: 'https://backend', path: '/', method: 'GET' }), {
    code: 'INVALID_ARGUMENT',
    message: /not encrypted/,
  });
  t.is(pool.stats().total, 0);
  await dispatcher.close();
});

test('50 requests over a Pool with `connections: 5` on max 5 use five connections', async (t) => {
  const pool = await poolBefore(t, httpServer(), { max: 5 });
  const dispatcher = new Pool('http://backend', { connect: undiciConnector(pool), connections: 5 });
  const answers = await Promise.all(
    numbers.map(async (index) => {
      const { body } = await dispatcher.request({ path: `/${index}`, method: 'GET' });
      return await body.text();
    }),
  );
  t.deepEqual(
    answers,
    numbers.map((index) => `GET /${index}`),
  );
  t.is(pool.stats().created, 5);
  await dispatcher.close();
});

test('50 requests by fetch over an Agent without a limit are answered on max 5', async (t) => {
  const pool = await poolBefore(t, httpServer(), { max: 5 });
  const dispatcher = new Agent({ connect: undiciConnector(pool) });
  const answers = await Promise.all(
    numbers.map(async (index) => await (await fetch(`http://backend/${index}`, { dispatcher })).text()),
  );
  t.deepEqual(
    answers,
    numbers.map((index) => `GET /${index}`),
  );
  t.true(pool.stats().total <= 5);
  await dispatcher.close();
});

test("fetch of undici has a pool's error as the cause", async (t) => {
  const pool = await poolBefore(t, httpServer(), { max: 1, acquireTimeoutMs: 20 });
  const held = await pool.acquire({ timeoutMs: 30_000 });
  const dispatcher = new Agent({ connect: undiciConnector(pool) });
  const failure = await t.throwsAsync(fetch('http://backend/', { dispatcher }), { instanceOf: TypeError });
  t.like(failure?.cause, { code: 'TIMEOUT', phase: 'queue' });
  held.release();
  await dispatcher.close();
});

test("a request of a Client rejects with a pool's error", async (t) => {
  const pool = await poolBefore(t, httpServer());
  const client = new Client('http://backend', {
    connect: undiciConnector(pool, { serviceName: 'unknown' }),
  });
  await t.throwsAsync(client.request({ path: '/', method: 'GET' }), { code: 'REFUSED' });
  await client.close();
});

test('a Client connects again when its backend has closed the connection between two requests', async (t) => {
  const server = httpServer();
  const pool = await poolBefore(t, server);
  const client = new Client('http://backend', { connect: undiciConnector(pool) });
  for (let round = 0; round < 2; round += 1) {
    const disconnected = once(client, 'disconnect');
    const { body } = await client.request({ path: '/', method: 'GET' });
    t.is(await body.text(), 'GET /');
    server.closeIdleConnections();
    await disconnected;
  }
  t.is(pool.stats().created, 2);
  await client.close();
});

test('upgrades and CONNECT of a Client get a connection, whose end frees its place', async (t) => {
  const server = httpServer();
  const echo = (status: string) => (_: unknown, socket: Duplex) => {
    socket.write(`HTTP/1.1 ${status}\r\n\r\n`);
    socket.pipe(socket);
  };
  server.on('upgrade', echo('101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo'));
  server.on('connect', echo('200 OK'));
  const pool = await poolBefore(t, server, { max: 1 });
  const client = new Client('http://backend', { connect: undiciConnector(pool) });
  for (const open of [
    () => client.upgrade({ path: '/', protocol: 'echo' }),
    () => client.connect({ path: '/a:1' }),
  ]) {
    const { socket } = await open();
    t.like(pool.stats(), { detached: 1 });
    socket.write('word');
    t.is(String((await once(socket, 'data'))[0]), 'word');
    socket.destroy();
    await until(() => pool.stats().total === 0);
  }
  await client.close();
});

test('a connector refuses what is no pool, and a bad target', async (t) => {
  t.throws(() => Reflect.apply(undiciConnector, undefined, [{}]), { code: 'INVALID_ARGUMENT' });
  const pool = await poolBefore(t, httpServer());
  t.throws(() => undiciConnector(pool, { wantedVersion: 'x' }), { code: 'INVALID_ARGUMENT' });
});
