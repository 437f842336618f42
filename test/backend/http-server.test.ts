import { once } from 'node:events';
import { Agent, createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { ExecutionContext } from 'ava';
import { ask, responseTo } from '../http/kit.js';
import test from '../helpers/sanitary.js';
import { framesIn, readBytes, readToEnd } from '../testing/raw-peer.js';
import { deferred, dial, echoing, request as framed, start } from './kit.js';

const HEAD = 'HTTP/1.1\r\nHost: x\r\n';

/** An agent that keeps its connections; they end with the test. */
function keepingAgent(t: ExecutionContext): Agent {
  const agent = new Agent({ keepAlive: true });
  t.teardown(() => agent.destroy());
  return agent;
}

test('httpServer answers requests of HTTP beside requests in frames', async (t) => {
  const httpServer = createServer((incoming, response) => response.end(`hello, ${incoming.url}`));
  const backend = await start(t, { ...echoing, httpServer });
  t.is(await ask({ socketPath: backend.endpoint, agent: keepingAgent(t), path: '/you' }), 'hello, /you');
  const client = await dial(t, backend.endpoint);
  client.end(framed('x'));
  t.is(String(Buffer.from(framesIn(await readToEnd(client))[0]!.payload)), 'x');
});

test('close ends idle HTTP connections at once, though clients keep them', async (t) => {
  const httpServer = createServer({ keepAliveTimeout: 0 }, (_, response) => response.end('word'));
  const backend = await start(t, { httpServer });
  t.is(await ask({ socketPath: backend.endpoint, agent: keepingAgent(t) }), 'word');
  t.is(backend.stats().connections, 1);
  await backend.close({ timeoutMs: Infinity });
  t.is(backend.stats().connections, 0);
});

test('close waits for an HTTP answer, which says that it is the last one', async (t) => {
  const asked = deferred<ServerResponse>();
  const httpServer = createServer({ keepAliveTimeout: 0 }, (_, response) => asked.resolve(response));
  const backend = await start(t, { httpServer });
  const answered = responseTo({ socketPath: backend.endpoint, agent: keepingAgent(t) });
  const response = await asked.promise;
  const closed = backend.close({ timeoutMs: Infinity });
  response.end('word');
  const answer = await answered;
  t.is(answer.headers.connection, 'close');
  t.is(await text(answer), 'word');
  await closed;
});

test('close ends a connection behind an answer whose head had been sent, and behind each of pipelined ones', async (t) => {
  const responses: ServerResponse[] = [];
  const httpServer = createServer({ keepAliveTimeout: 0 }, (_, response) => {
    response.writeHead(200, { 'content-length': 3 });
    response.write('on');
    responses.push(response);
  });
  const backend = await start(t, { httpServer });
  const client = await dial(t, backend.endpoint);
  client.write(`GET /1 ${HEAD}\r\nGET /2 ${HEAD}\r\n`);
  while (responses.length < 2) await new Promise(setImmediate);
  const closed = backend.close({ timeoutMs: Infinity });
  for (const response of responses) response.end('e');
  t.is(String(await readToEnd(client)).split('one').length, 3);
  client.end();
  await closed;
});

test('a request that waits for leave to send its body counts as under way', async (t) => {
  const httpServer = createServer({ keepAliveTimeout: 0 });
  const asked = deferred<ServerResponse>();
  httpServer.on('checkContinue', (_, response) => asked.resolve(response));
  const backend = await start(t, { httpServer });
  const headers = { expect: '100-continue' };
  const asking = request({ socketPath: backend.endpoint, agent: keepingAgent(t), method: 'POST', headers });
  asking.flushHeaders();
  const response = await asked.promise;
  const closed = backend.close({ timeoutMs: Infinity });
  response.writeContinue();
  await once(asking, 'continue');
  asking.end('body');
  response.end(await text(response.req));
  const [answer]: IncomingMessage[] = await once(asking, 'response');
  t.is(answer && (await text(answer)), 'body');
  await closed;
});

test("a connection that has been upgraded is its taker's to close", async (t) => {
  const httpServer = createServer();
  const upgraded = deferred<Duplex>();
  httpServer.on('upgrade', (_, socket) => upgraded.resolve(socket));
  const backend = await start(t, { httpServer });
  const client = await dial(t, backend.endpoint);
  client.write(`GET / ${HEAD}Connection: upgrade\r\nUpgrade: echo\r\n\r\n`);
  const socket = await upgraded.promise;
  const closed = backend.close({ timeoutMs: Infinity });
  socket.write('still here');
  t.is(String(await readBytes(client, 10)), 'still here');
  socket.end();
  client.end();
  await closed;
});

test('httpServer is refused where it is no server, and beside onConnection', async (t) => {
  for (const [options, message] of [
    [{ httpServer: {} }, 'httpServer must be a server of node:http, got an object'],
    [
      { httpServer: createServer(), onConnection() {} },
      'httpServer gets the connections that onConnection would get: give one of them',
    ],
  ] as const) {
    // @ts-expect-error what JavaScript may give
    await t.throwsAsync(start(t, options), { code: 'INVALID_ARGUMENT', message });
  }
});
