import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { endpointIn } from '../helpers/endpoints.js';
import test from '../helpers/sanitary.js';
import { framesIn, readBytes, readToEnd } from '../testing/raw-peer.js';
import type { Classification } from '../../src/backend/index.js';
import { deferred, dial, directory, ECHO, echoing, probe, request, start } from './kit.js';

const echo = (socket: Socket): void => void socket.pipe(socket);

/** An HTTP server that listens nowhere. */
function httpServer(t: ExecutionContext) {
  const server = createServer((incoming, response) => {
    let body = '';
    incoming.setEncoding('utf8').on('data', (text: string) => (body += text));
    incoming.on('end', () => response.end(`${incoming.method} ${incoming.url} ${body.length}`));
  });
  t.teardown(() => server.closeAllConnections());
  return server;
}

test('a connection that does not begin with byte 1 belongs to onConnection, unread (S-71)', async (t) => {
  const backend = await start(t, { ...echoing, onConnection: echo });
  const client = await dial(t, backend.endpoint);
  client.end('legacy!');
  t.is(String(await readToEnd(client)), 'legacy!');
});

test('own bytes behind frames belong to onConnection, behind the answers (S-76)', async (t) => {
  const answer = deferred<Uint8Array>();
  const backend = await start(t, {
    payloadProtocols: [ECHO],
    onRequest: () => answer.promise,
    onConnection: echo,
  });
  const client = await dial(t, backend.endpoint);
  client.write(Buffer.concat([request('x'), Buffer.from('legacy!')]));
  client.write('more');
  while (backend.stats().requests === 0) await new Promise(setImmediate);
  answer.resolve(Buffer.from('y'));
  const answered = await readBytes(client, request('y').length + 2);
  t.is(String(Buffer.from(framesIn(answered)[0]!.payload)), 'y');
  t.is(String(await readBytes(client, 11)), 'legacy!more');
  client.end();
  t.is((await readToEnd(client)).length, 0);
});

test('own bytes without onConnection end the connection without a byte (S-71)', async (t) => {
  const backend = await start(t, echoing);
  const client = await dial(t, backend.endpoint);
  client.write('legacy!');
  t.is((await readToEnd(client)).length, 0);
});

test('an HTTP server answers clients of the endpoint, also behind a probe, in pieces and kept alive', async (t) => {
  const server = httpServer(t);
  const backend = await start(t, { onConnection: (socket) => void server.emit('connection', socket) });
  const client = await dial(t, backend.endpoint);
  const nonce = randomBytes(32);
  client.write(probe(nonce));
  const header = await readBytes(client, 5);
  await readBytes(client, header.readUInt32LE(1));
  for (const byte of 'POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc') client.write(byte);
  client.write('GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  const text = String(await readToEnd(client));
  t.regex(text, /POST \/a 3/);
  t.regex(text, /GET \/b 0/);
});

test('an HTTP client of Node gets a large body through the endpoint', async (t) => {
  const server = httpServer(t);
  const backend = await start(t, { onConnection: (socket) => void server.emit('connection', socket) });
  const outgoing = httpRequest({ socketPath: backend.endpoint, method: 'PUT', path: '/big', agent: false });
  outgoing.end('x'.repeat(1_000_000));
  // The end of the test closes the connection under the client.
  outgoing.on('error', () => {});
  const response = await new Promise<IncomingMessage>((resolve) => outgoing.once('response', resolve));
  let text = '';
  for await (const chunk of response) text += String(chunk);
  t.is(text, 'PUT /big 1000000');
});

test('classify decides what a first byte of 1 means, and is asked until it can tell', async (t) => {
  const classify = (bytes: Uint8Array): Classification =>
    bytes.length < 7 ? 'incomplete' : bytes[6] === 0x01 ? 'frames' : 'own';
  const backend = await start(t, { ...echoing, classify, onConnection: echo });
  const own = await dial(t, backend.endpoint);
  for (const byte of [1, 2, 3, 4, 5, 6, 7]) own.write(Uint8Array.of(byte));
  t.deepEqual([...(await readBytes(own, 7))], [1, 2, 3, 4, 5, 6, 7]);
  const framed = await dial(t, backend.endpoint);
  for (const byte of request('x')) framed.write(Uint8Array.of(byte));
  framed.end();
  t.is(framesIn(await readToEnd(framed)).length, 1);
});

for (const [what, classify] of [
  ['throws', "() => { throw new Error('mistaken') }"],
  ['returns another value', "() => 'other'"],
] as const) {
  test(`a classify that ${what} ends its connection, and its error is uncaught`, async (t) => {
    const endpoint = endpointIn(directory(t), 'b');
    const program = `
      import { connect } from 'node:net';
      import { serveBackend } from ${JSON.stringify(new URL('../../src/backend/index.js', import.meta.url))};
      const told = [];
      process.on('uncaughtException', ({ message }) => told.push(message));
      const backend = await serveBackend({ endpoint: ${JSON.stringify(endpoint)}, onConnection() {},
        classify: ${classify} });
      connect(backend.endpoint).on('close', async () => {
        await backend.close();
        console.log(told.join());
      }).resume().write('x');`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
    t.regex(stdout, /^(mistaken|the result of classify must be one of own, frames, incomplete.*)\n$/);
  });
}

test('a listener that is put on later still gets every byte', async (t) => {
  const taken = deferred<Socket>();
  const backend = await start(t, { onConnection: taken.resolve });
  const client = await dial(t, backend.endpoint);
  const bytes = randomBytes(300_000);
  client.end(Buffer.concat([Buffer.from('L'), bytes]));
  const socket = await taken.promise;
  await new Promise(setImmediate);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'end');
  socket.end();
  t.true(Buffer.concat(chunks).subarray(1).equals(bytes));
});
