import { createServer as createHttpServer, Agent, get, type IncomingMessage } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2';
import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { AbstractConnector, Redis } from 'ioredis';
import { Client } from 'undici';
import { WebSocket, WebSocketServer } from 'ws';
import { undiciConnector } from '../../src/http/index.js';
import { until } from '../helpers/leftovers.js';
import { poolBefore } from '../helpers/pools.js';
import test from '../helpers/sanitary.js';

/** Connections stay open between requests, however long a busy machine takes from one to the next. */
const httpServer = (): Server =>
  createHttpServer({ keepAliveTimeout: 0 }, (request, response) => void request.pipe(response));

test('undici keeps a detached socket between requests, and close() ends it at rest', async (t) => {
  const pool = await poolBefore(t, httpServer());
  const client = new Client('http://backend', {
    connect: undiciConnector(pool),
    keepAliveTimeout: 600_000,
  });
  for (const body of ['first', 'second']) {
    const reply = await client.request({ path: '/', method: 'POST', body });
    t.is(await reply.body.text(), body);
  }
  t.like(pool.stats(), { created: 1, total: 1, detached: 1 });
  await pool.close();
  t.like(pool.stats(), { total: 0, closedByReason: { poolClosed: 1 } });
  await t.throwsAsync(client.request({ path: '/', method: 'POST', body: 'third' }), { code: 'POOL_CLOSED' });
  await client.close();
});

test('an http.Agent that keeps a detached socket lets close() end it between requests', async (t) => {
  const pool = await poolBefore(t, httpServer());
  const agent = new Agent({ keepAlive: true });
  const socket = await pool.connect();
  Reflect.set(agent, 'createConnection', () => socket);
  for (let round = 0; round < 2; round += 1) {
    const free = once(agent, 'free');
    const request = get({ agent, host: 'backend', path: '/' });
    const [response]: IncomingMessage[] = await once(request, 'response');
    if (response === undefined) throw new Error('no response');
    t.is(await text(response), '');
    await free;
  }
  t.like(pool.stats(), { created: 1, detached: 1 });
  await pool.close();
  t.true(socket.destroyed);
});

test('ws speaks over a detached socket, and its place is free when the WebSocket has closed', async (t) => {
  const server = createHttpServer();
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (peer) => peer.on('message', (data) => peer.send(data)));
  const pool = await poolBefore(t, server, { max: 1 });
  const socket = await pool.connect();
  const webSocket = new WebSocket('ws://backend/', { createConnection: () => socket });
  await once(webSocket, 'open');
  webSocket.send('word');
  const [word]: unknown[] = await once(webSocket, 'message');
  t.is(String(word), 'word');
  const waiting = pool.acquire();
  webSocket.close();
  (await waiting).release();
  t.like(pool.stats(), { detached: 0, created: 2 });
  sockets.close();
});

/** Answers each Redis command, of which each is one chunk here, with its own words. */
function redisServer(): Server {
  return createServer((socket) => {
    socket.on('data', (chunk) => {
      const words = chunk
        .toString()
        .split('\r\n')
        .filter((line) => line !== '' && !/^[*$]/.test(line));
      socket.write(`+${words.join(' ')}\r\n`);
    });
  });
}

test('a Connector of ioredis hands out detached sockets', async (t) => {
  const pool = await poolBefore(t, redisServer(), { max: 1 });
  class PoolConnector extends AbstractConnector {
    constructor() {
      super(0);
    }

    override async connect(): Promise<Socket> {
      this.stream = await pool.connect();
      return this.stream;
    }
  }
  const redis = new Redis({
    Connector: PoolConnector,
    enableReadyCheck: false,
    disableClientInfo: true,
    retryStrategy: () => null,
  });
  t.is(await redis.call('ECHO', 'word'), 'ECHO word');
  t.like(pool.stats(), { detached: 1 });
  redis.disconnect();
  await until(() => pool.stats().total === 0);
  t.like(pool.stats(), { closedByReason: { destroyed: 1 } });
});

test('an http2 session takes a detached socket over, and its place is free when the session has closed', async (t) => {
  const server = createHttp2Server();
  server.on('stream', (stream) => {
    stream.respond();
    stream.end('word');
  });
  const pool = await poolBefore(t, server, { max: 1 });
  const socket = await pool.connect();
  const session = connectHttp2('http://backend', { createConnection: () => socket });
  for (let round = 0; round < 3; round += 1) t.is(await text(session.request({ ':path': '/' })), 'word');
  const waiting = pool.acquire();
  session.close();
  (await waiting).release();
  t.like(pool.stats(), { detached: 0, created: 2 });
});
