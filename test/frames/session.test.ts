import { randomBytes, randomInt } from 'node:crypto';
import { openSession } from '../../src/frames/index.js';
import { FAKE_BACKEND } from '../helpers/endpoints.js';
import { failureOf } from '../helpers/pools.js';
import test from '../helpers/sanitary.js';
import type { FrameView } from '../../src/frames/codec/frame-view.js';
import { echo, PROTOCOL, type BackendConnection } from './frame-backend.js';
import { bytes, openDirect, startBackend, text } from './kit.js';

test('a request is answered', async (t) => {
  const session = openDirect(t, await startBackend(t));
  const answer = await session.request(bytes('hello'));
  t.deepEqual(answer, bytes('hello'));
  t.is(Object.getPrototypeOf(answer), Uint8Array.prototype);
});

test('an empty payload is answered', async (t) => {
  const session = openDirect(t, await startBackend(t));
  t.is((await session.request(new Uint8Array(0))).length, 0);
});

test('a request is a frame of version 1, kind 0 and encoding 0 with an id above 0 (S-66)', async (t) => {
  const backend = await startBackend(t);
  const session = openDirect(t, backend);
  await session.request(bytes('a'));
  await session.request(bytes('b'), { payloadProtocol: 0xf001 });
  t.like(backend.requests[0], {
    envelopeVersion: 1,
    kind: 0,
    payloadProtocol: PROTOCOL,
    requestId: 1,
    payloadEncoding: 0,
    deadlineUnixMs: 0,
    traceparent: '',
  });
  t.is(backend.requests[1]?.payloadProtocol, 0xf001);
});

test('nothing is connected before the first request', async (t) => {
  const backend = await startBackend(t);
  const session = openDirect(t, backend);
  t.is(session.stats().connections, 0);
  await session.request(bytes('a'));
  t.is(backend.connections.length, 1);
});

test('answers are matched by id, in whatever order they come (S-45, S-53)', async (t) => {
  const held: [FrameView, BackendConnection][] = [];
  const backend = await startBackend(t, (request, connection) => {
    held.push([request, connection]);
    if (held.length < 8) return;
    for (const [one, its] of held.toReversed()) its.answer(one, one.payload);
  });
  const session = openDirect(t, backend, { connections: 1 });
  const names = Array.from({ length: 8 }, (_, index) => `request ${index}`);
  const answers = await Promise.all(names.map((name) => session.request(bytes(name))));
  t.deepEqual(answers.map(text), names);
});

test('answers that come byte by byte, and several at once, are read (S-67)', async (t) => {
  const backend = await startBackend(t, (request, connection) => {
    if (connection.requests.length === 1) return connection.answer(request, bytes('first'));
    const { socket } = connection;
    socket.cork();
    for (const one of connection.requests.slice(1)) connection.answer(one, one.payload);
    socket.uncork();
  });
  const session = openDirect(t, backend, { connections: 1 });
  t.is(text(await session.request(bytes('x'))), 'first');
  t.is(text(await session.request(bytes('second'))), 'second');
});

test('an unasked frame, an event and a second answer are no answers to others (S-45)', async (t) => {
  const backend = await startBackend(t, (request, connection) => {
    connection.answer({ ...request, requestId: 2n ** 64n - 1n }, bytes('not asked for'));
    connection.answer(request, bytes('event'), { kind: 2 });
    connection.answer({ ...request, requestId: 0 }, bytes('id 0'));
    connection.answer(request, request.payload);
    connection.answer(request, bytes('again'));
  });
  const session = openDirect(t, backend, { connections: 1 });
  for (const name of ['a', 'b', 'c']) t.is(text(await session.request(bytes(name))), name);
  await session.request(bytes('d'));
  t.is(backend.connections.length, 1);
  t.true(session.stats().unaskedFrames >= 15);
});

test('requests share a connection up to maxInFlight, and the rest waits', async (t) => {
  const backend = await startBackend(t, () => {});
  const session = openDirect(t, backend, { connections: 2, maxInFlight: 3 });
  const requests = Array.from({ length: 10 }, (_, index) => session.request(bytes(String(index))));
  await backend.until(() => backend.requests.length === 6);
  t.like(session.stats(), { connections: 2, inFlight: 6, waiting: 4 });
  t.deepEqual(
    backend.connections.map((connection) => connection.requests.length),
    [3, 3],
  );
  backend.onRequest = echo;
  for (const connection of backend.connections)
    for (const request of connection.requests.slice()) connection.answer(request, request.payload);
  t.deepEqual(
    (await Promise.all(requests)).map(text),
    Array.from({ length: 10 }, (_, index) => String(index)),
  );
});

test('the connection with the fewest requests in flight gets the next one', async (t) => {
  const backend = await startBackend(t, () => {});
  const session = openDirect(t, backend, { connections: 4 });
  const requests: Promise<unknown>[] = [];
  while (session.stats().connections < 4) {
    requests.push(session.request(bytes('x')));
    await backend.until(() => backend.requests.length === requests.length);
  }
  for (let count = 0; count < 12; count++) requests.push(session.request(bytes('x')));
  await backend.until(() => backend.requests.length === requests.length);
  const counts = backend.connections.map((connection) => connection.requests.length);
  t.true(Math.max(...counts) - Math.min(...counts) <= 1, String(counts));
  backend.onRequest = echo;
  for (const connection of backend.connections)
    for (const request of connection.requests) connection.answer(request, request.payload);
  await Promise.all(requests);
});

test('payloads of all sizes come back as they were', async (t) => {
  const session = openDirect(t, await startBackend(t));
  const payloads = [
    0,
    1,
    4_095,
    4_096,
    65_536,
    1_000_000,
    ...Array.from({ length: 40 }, () => randomInt(300_000)),
  ].map((size) => randomBytes(size));
  const answers = await Promise.all(payloads.map((payload) => session.request(payload)));
  t.true(answers.every((answer, index) => Buffer.compare(answer, payloads[index]!) === 0));
});

test('the largest payload that fits is sent, a larger one fails by itself (S-49, S-50)', async (t) => {
  const backend = await startBackend(t, (request, connection) => connection.answer(request, bytes('ok')));
  const session = openDirect(t, backend, { connections: 1 });
  const largest = Buffer.alloc(16_777_203, 1);
  t.is(text(await session.request(largest, { timeoutMs: 120_000 })), 'ok');
  t.is(backend.requests[0]?.payload.length, largest.length);
  const error = await failureOf(session.request(Buffer.alloc(16_777_216)));
  t.is(error.code, 'FRAME_TOO_LARGE');
  t.regex(error.message, /Send less than 16 MiB/);
  t.is(text(await session.request(bytes('small'))), 'ok');
  t.is(backend.connections.length, 1);
});

test('each caller has an error of its own, whose stack ends in the caller', async (t) => {
  const session = openDirect(t, { endpoint: FAKE_BACKEND });
  async function caller(): Promise<void> {
    await session.request(bytes('x'));
  }
  const [first, second] = await Promise.all([failureOf(caller()), failureOf(caller())]);
  t.is(first.code, 'BACKEND_CONNECT');
  t.not(first, second);
  t.is(first.cause, second.cause);
  t.is(first.endpoint, FAKE_BACKEND);
  t.regex(first.stack ?? '', /at async caller/);
});

test.serial('without a request a session holds no timer that keeps the process alive', async (t) => {
  const session = openDirect(t, await startBackend(t));
  await session.request(bytes('x'));
  t.deepEqual(
    process.getActiveResourcesInfo().filter((name) => name === 'Timeout'),
    [],
  );
});

test('a session is disposable', async (t) => {
  const backend = await startBackend(t);
  const session = openSession({ endpoint: backend.endpoint }, { payloadProtocol: PROTOCOL });
  {
    await using used = session;
    await used.request(bytes('x'));
  }
  t.true(session.closed);
  await backend.until(() => backend.openConnections === 0);
});
