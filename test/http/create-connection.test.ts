import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setImmediate as turn } from 'node:timers/promises';
import mysql from 'mysql2';
import { Client, Pool } from 'pg';
import { WebSocket, WebSocketServer } from 'ws';
import { createConnection } from '../../src/http/index.js';
import { until } from '../helpers/leftovers.js';
import { poolBefore } from '../helpers/pools.js';
import test from '../helpers/sanitary.js';
import { httpServer } from './kit.js';

const echoServer = (): Server => createServer((socket) => socket.on('error', () => {}).pipe(socket));

test('http.request without an agent gets a socket of the pool, and closes it after the answer', async (t) => {
  const pool = await poolBefore(t, httpServer());
  const asking = get({ createConnection: createConnection(pool), host: 'backend', path: '/one' });
  const [response]: IncomingMessage[] = await once(asking, 'response');
  t.like(pool.stats(), { detached: 1 });
  t.is(response && (await text(response)), 'GET /one');
  await until(() => pool.stats().total === 0);
});

test("http.request fails with a pool's error", async (t) => {
  const pool = await poolBefore(t, httpServer());
  const unknown = createConnection(pool, { serviceName: 'unknown' });
  const [error] = await once(get({ createConnection: unknown, host: 'backend' }), 'error').catch(
    (reason: unknown) => [reason],
  );
  t.like(error, { code: 'REFUSED', serviceName: 'unknown' });
});

test('ws speaks over a socket of the pool', async (t) => {
  const server = httpServer();
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (peer) => peer.on('message', (data) => peer.send(data)));
  const pool = await poolBefore(t, server);
  const webSocket = new WebSocket('ws://backend/', { createConnection: createConnection(pool) });
  await once(webSocket, 'open');
  webSocket.send('word');
  t.is(String((await once(webSocket, 'message'))[0]), 'word');
  t.like(pool.stats(), { detached: 1 });
  webSocket.close();
  await until(() => pool.stats().total === 0);
  sockets.close();
});

/** Takes everyone in, and answers each query with one row, the query itself. */
function mysqlServer(): Server {
  const columns = [
    { catalog: 'def', schema: '', table: '', orgTable: '', name: 'query', orgName: '', characterSet: 33 },
  ].map((column) => ({ ...column, columnLength: 64, columnType: 0xfd, flags: 0, decimals: 0 }));
  const server = mysql.createServer((connection) => {
    // Nothing in mysql2's server counts packets anew for each command.
    const countFrom = (number: number): boolean => Reflect.set(connection, 'sequenceId', number);
    // mysql2 has them, its types do not.
    const call = (name: string, ...values: unknown[]): unknown =>
      Reflect.apply(Reflect.get(connection, name), connection, values);
    connection.on('error', () => {});
    connection.serverHandshake({
      protocolVersion: 10,
      serverVersion: '8.0.0',
      connectionId: 1,
      statusFlags: 2,
      characterSet: 33,
      // All of the first 24 but compression.
      capabilityFlags: 0xffffff ^ 0x20,
      authCallback: (_login: unknown, done: (error: null) => void) => {
        done(null);
        countFrom(0);
      },
    });
    connection.on('query', (query: string) => {
      countFrom(1);
      call('writeColumns', columns);
      call('writeTextRow', [query]);
      call('writeEof');
      countFrom(0);
    });
  });
  return Reflect.get(server, '_server');
}

// Without a limit of its own, mysql2 gives up after ten seconds, which a busy machine may need.
test('mysql2 speaks over a stream that connects later, also by a pool of its own', async (t) => {
  const pool = await poolBefore(t, mysqlServer());
  const queries = mysql
    .createPool({ stream: createConnection(pool), user: 'u', connectionLimit: 2, connectTimeout: 0 })
    .promise();
  const [rows] = await queries.query('SELECT 1');
  t.deepEqual(rows, [{ query: 'SELECT 1' }]);
  t.like(pool.stats(), { detached: 1 });
  await queries.end();
  await until(() => pool.stats().total === 0);
});

test("mysql2 fails with a pool's error", async (t) => {
  const pool = await poolBefore(t, echoServer());
  const connection = mysql.createConnection({
    stream: createConnection(pool, { serviceName: 'unknown' }),
    user: 'u',
    connectTimeout: 0,
  });
  const [error] = await once(connection, 'error').catch((reason: unknown) => [reason]);
  t.like(error, { code: 'REFUSED' });
});

/** A message of PostgreSQL: a letter, the length, and the content. */
function message(letter: string, content: string): Buffer {
  const head = Buffer.alloc(5);
  head.write(letter, 'latin1');
  head.writeInt32BE(content.length + 4, 1);
  return Buffer.concat([head, Buffer.from(content, 'latin1')]);
}

/** Takes everyone in, and answers each query with one row, the query itself. */
function postgresServer(): Server {
  const ready = message('Z', 'I');
  return createServer((socket: Socket) => {
    let isStarted = false;
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      if (!isStarted) {
        isStarted = true;
        return socket.write(Buffer.concat([message('R', '\0\0\0\0'), ready]));
      }
      if (chunk[0] !== 'Q'.charCodeAt(0)) return socket.end();
      const query = chunk.toString('latin1', 5, chunk.length - 1);
      const length = Buffer.alloc(4);
      length.writeInt32BE(query.length);
      const row = `\0\u0001${length.toString('latin1')}${query}`;
      const column = `\0\u0001query\0\0\0\0\0\0\0\0\0\0\u0019\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\0\0`;
      return socket.write(
        Buffer.concat([message('T', column), message('D', row), message('C', 'SELECT 1\0'), ready]),
      );
    });
  });
}

test('pg speaks over a stream that connects later, also by a pool of its own', async (t) => {
  const pool = await poolBefore(t, postgresServer());
  const queries = new Pool({ stream: createConnection(pool), user: 'u', max: 2 });
  t.deepEqual((await queries.query('SELECT 1')).rows, [{ query: 'SELECT 1' }]);
  t.like(pool.stats(), { detached: 1 });
  await queries.end();
  await until(() => pool.stats().total === 0);
});

test("pg fails with a pool's error", async (t) => {
  const pool = await poolBefore(t, echoServer(), { max: 1, acquireTimeoutMs: 20 });
  const held = await pool.acquire({ timeoutMs: 30_000 });
  const client = new Client({ stream: createConnection(pool), user: 'u' });
  await t.throwsAsync(client.connect(), { code: 'TIMEOUT' });
  held.release();
});

test('a stream that connects later delivers what was written before, and calls for its socket', async (t) => {
  const pool = await poolBefore(t, echoServer());
  const stream = createConnection(pool)();
  Reflect.apply(Reflect.get(stream, 'setNoDelay'), stream, [true]);
  t.true(Reflect.get(stream, 'connecting'));
  stream.write('one ');
  stream.end('two');
  await once(stream, 'connect');
  t.false(Reflect.get(stream, 'connecting'));
  t.is(await text(stream), 'one two');
  await until(() => pool.stats().total === 0);
});

test('a stream that is destroyed before it has connected leaves no waiter', async (t) => {
  const pool = await poolBefore(t, echoServer(), { max: 1 });
  const held = await pool.acquire();
  const stream = createConnection(pool)();
  const written = new Promise<unknown>((resolve) => stream.write('word', resolve));
  t.like(pool.stats(), { waiting: 1 });
  stream.destroy();
  await once(stream, 'close');
  t.like(await written, { code: 'ABORTED' });
  t.like(pool.stats(), { waiting: 0 });
  held.release();
});

test('a stream that connects later keeps to the pace of its reader, and loses nothing at the end', async (t) => {
  const piece = Buffer.alloc(50_000, 'x');
  const size = 20 * piece.length;
  // One read from a pipe of Windows takes all that has been written, so that the server waits for each piece.
  const pool = await poolBefore(
    t,
    createServer((socket) => {
      Readable.from(Array.from({ length: 20 }, () => piece)).pipe(socket);
      socket.resume();
    }),
  );
  const stream = createConnection(pool)();
  await once(stream, 'connect');
  await until(() => stream.readableLength > 0);
  // Enough for all pieces, if the stream did not keep them back.
  for (let turns = 0; turns < 200; turns++) await turn();
  t.true(stream.readableLength < size);
  t.is((await text(stream)).length, size);
  await until(() => pool.stats().total === 0);
});

test('a stream whose backend goes away ends', async (t) => {
  const server = echoServer();
  const peers: Socket[] = [];
  server.on('connection', (peer: Socket) => peers.push(peer));
  const pool = await poolBefore(t, server);
  const stream = createConnection(pool)();
  await once(stream, 'connect');
  await until(() => peers.length > 0);
  const closed = once(stream.resume(), 'close');
  for (const peer of peers) peer.destroy();
  await closed;
  t.is(pool.stats().total, 0);
});
