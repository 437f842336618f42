import { FAKE_BACKEND } from '../helpers/endpoints.js';
import { failureOf } from '../helpers/pools.js';
import test from '../helpers/sanitary.js';
import type { LeasingPool, RequestOptions } from '../../src/frames/index.js';
import type { BrokerPoolError } from '../../src/index.js';
import { echo, type OnRequest } from './frame-backend.js';
import { bytes, openDirect, openPooled, startBackend, startPooled, text } from './kit.js';

const drop: OnRequest = (_request, { socket }) => void socket.destroy();

test('a connection that ends before the answer fails what was in flight with UNEXPECTED_EOF (S-60)', async (t) => {
  const backend = await startBackend(t, (_request, { socket }) => void socket.end());
  const error = await failureOf(openDirect(t, backend).request(bytes('x')));
  t.like(error, { code: 'UNEXPECTED_EOF', attempts: 1, endpoint: backend.endpoint });
});

test('an end inside an answer fails with UNEXPECTED_EOF that names the part (S-60)', async (t) => {
  const backend = await startBackend(
    t,
    (_request, { socket }) => void socket.end(Buffer.of(1, 9, 0, 0, 0, 8)),
  );
  const error = await failureOf(openDirect(t, backend).request(bytes('x')));
  t.is(error.code, 'UNEXPECTED_EOF');
  t.regex(error.message, /frame body/);
});

test('a lost request is advised to be idempotent only where it is not', async (t) => {
  const session = openDirect(t, await startBackend(t, drop));
  const once = await failureOf(session.request(bytes('x')));
  t.regex(once.message, /Give idempotent: true/);
  const repeated = await failureOf(session.request(bytes('x'), { idempotent: true }));
  t.notRegex(repeated.message, /idempotent/);
});

for (const [fault, code, send] of [
  ['a wrong first byte', 'FRAMING_VERSION', (_, { socket }) => socket.write(Buffer.of(2))],
  ['too long a body', 'FRAME_TOO_LARGE', (_, { socket }) => socket.write(Buffer.of(1, 1, 0, 0, 1))],
  [
    'a body that is no Frame',
    'DECODE_FRAME',
    (_, { socket }) => socket.write(Buffer.of(1, 3, 0, 0, 0, 255, 255, 255)),
  ],
  ['kind 77', 'UNEXPECTED_RESPONSE_FRAME', (request, peer) => peer.answer(request, bytes(''), { kind: 77 })],
  ['kind 0', 'UNEXPECTED_RESPONSE_FRAME', (request, peer) => peer.answer(request, bytes(''), { kind: 0 })],
  [
    'version 9',
    'UNEXPECTED_RESPONSE_FRAME',
    (request, peer) => peer.answer(request, bytes(''), { envelopeVersion: 9 }),
  ],
  [
    'encoding 1',
    'UNEXPECTED_RESPONSE_FRAME',
    (request, peer) => peer.answer(request, bytes(''), { payloadEncoding: 1 }),
  ],
  [
    'protocol 0x7002',
    'UNEXPECTED_RESPONSE_FRAME',
    (request, peer) => peer.answer(request, bytes(''), { payloadProtocol: 0x7002 }),
  ],
] satisfies readonly (readonly [string, string, OnRequest])[]) {
  test(`${fault} in place of an answer ends the connection, and fails what was in flight (S-46, S-48, S-70)`, async (t) => {
    const backend = await startBackend(t, (request, connection) => {
      // The first request stays unanswered until the second one gets the fault.
      if (connection.requests.length === 2) send(request, connection);
    });
    const session = openDirect(t, backend, { connections: 1 });
    const errors = await Promise.all(['a', 'b'].map((name) => failureOf(session.request(bytes(name)))));
    t.deepEqual(
      errors.map((error) => error.code),
      [code, code],
    );
    t.regex(errors[0]!.message, /does not speak protocol v1 as a backend/);
    await backend.until(() => backend.openConnections === 0);
    backend.onRequest = echo;
    t.is(text(await session.request(bytes('on'))), 'on');
  });
}

test('requests on other connections are not hurt', async (t) => {
  const backend = await startBackend(t, () => {});
  const session = openDirect(t, backend, { connections: 2 });
  const first = failureOf(session.request(bytes('first')));
  await backend.until(() => backend.requests.length === 1);
  const second = failureOf(session.request(bytes('second')));
  await backend.until(() => backend.requests.length === 2);
  while (backend.connections.length < 2) {
    session.request(bytes('more')).catch(() => {});
    await new Promise(setImmediate);
  }
  const other = session.request(bytes('other'));
  await backend.until(() => backend.requests.some(({ payload }) => text(payload) === 'other'));
  const [one, two] = backend.connections;
  one!.socket.destroy();
  t.deepEqual([(await first).code, (await second).code], ['UNEXPECTED_EOF', 'UNEXPECTED_EOF']);
  for (const request of two!.requests) two!.answer(request, request.payload);
  t.is(text(await other), 'other');
});

test('an idempotent request is sent again when its connection dies before the answer (S-62)', async (t) => {
  const backend = await startBackend(t, drop);
  const session = openDirect(t, backend, { connections: 1 });
  backend.onRequest = (_request, { socket }) => {
    backend.onRequest = echo;
    socket.destroy();
  };
  t.is(text(await session.request(bytes('x'), { idempotent: true })), 'x');
  t.is(backend.requests.length, 2);
});

test('connections that end together cost an idempotent request one attempt', async (t) => {
  const backend = await startBackend(t, () => {});
  const session = openDirect(t, backend, { connections: 4 });
  const opening: Promise<Uint8Array>[] = [];
  // A further connection is opened while requests wait on the others.
  while (session.stats().connections < 4) {
    opening.push(session.request(bytes('x')));
    await new Promise(setImmediate);
  }
  await backend.until(() => backend.requests.length === opening.length);
  for (const connection of backend.connections)
    for (const request of connection.requests) echo(request, connection);
  await Promise.all(opening);
  const requests = [1, 2, 3, 4].map(() => session.request(bytes('y'), { idempotent: true }));
  await backend.until(() => backend.requests.length === opening.length + 4);
  backend.onRequest = echo;
  backend.dropAll();
  t.deepEqual((await Promise.all(requests)).map(text), ['y', 'y', 'y', 'y']);
});

test('an idempotent request is sent three times at most', async (t) => {
  const backend = await startBackend(t, drop);
  const error = await failureOf(openDirect(t, backend).request(bytes('x'), { idempotent: true }));
  t.is(error.attempts, 3);
  t.is(backend.requests.length, 3);
});

test('an idempotent request that has got an answer, a malformed one, is not sent again', async (t) => {
  const backend = await startBackend(t, (request, peer) => peer.answer(request, bytes(''), { kind: 0 }));
  const error = await failureOf(openDirect(t, backend).request(bytes('x'), { idempotent: true }));
  t.like(error, { code: 'UNEXPECTED_RESPONSE_FRAME', attempts: 1, endpoint: backend.endpoint });
  t.is(backend.requests.length, 1);
});

test('any other request is sent once (S-62)', async (t) => {
  const backend = await startBackend(t, drop);
  const error = await failureOf(openDirect(t, backend).request(bytes('x')));
  t.is(error.attempts, 1);
  t.is(backend.requests.length, 1);
});

test('a request that was not written yet goes to the next connection, idempotent or not (S-62)', async (t) => {
  const backend = await startBackend(t, (request, connection) => {
    if (request.payload.length < 1_000 || connection !== backend.connections[0])
      connection.answer(request, request.payload);
  });
  const session = openDirect(t, backend, { connections: 1 });
  await session.request(bytes('opens the connection'));
  backend.connections[0]!.socket.pause();
  // More than the kernel holds: what comes behind it stays in the session.
  const stuck = session.request(Buffer.alloc(8 * 1024 * 1024)).then(
    () => 'sent again',
    ({ code }: BrokerPoolError) => code,
  );
  await new Promise(setImmediate);
  const unsent = session.request(bytes('unsent'));
  backend.connections[0]!.socket.destroy();
  // The session may hear of the end by EPIPE, and the large request is then known to be incomplete.
  t.true(['UNEXPECTED_EOF', 'FRAME_IO', 'sent again'].includes(await stuck));
  t.is(text(await unsent), 'unsent');
});

test('a backend that is not there fails requests with BACKEND_CONNECT', async (t) => {
  const error = await failureOf(openDirect(t, { endpoint: FAKE_BACKEND }).request(bytes('x')));
  t.like(error, { code: 'BACKEND_CONNECT', attempts: 1 });
  // No broker has named it.
  t.true(error.message.startsWith('failed to connect to backend: '), error.message);
});

test('a pool that rejects with an error of its own fails requests with BACKEND_CONNECT', async (t) => {
  const { pool } = await startPooled(t, echo);
  const cause = new Error('no luck');
  const failing: LeasingPool = Object.create(pool, { acquire: { value: () => Promise.reject(cause) } });
  const error = await failureOf(openPooled(t, failing).request(bytes('x')));
  t.like(error, { code: 'BACKEND_CONNECT', cause });
});

for (const [what, onRequest, options] of [
  ['whose connection ends', drop, {}],
  ['that takes too long', () => {}, { timeoutMs: 1_000 }],
] satisfies readonly (readonly [string, OnRequest, RequestOptions])[]) {
  test(`the error of a request ${what} over a pool names endpoint, service and version`, async (t) => {
    const { backend, pool } = await startPooled(t, echo);
    const session = openPooled(t, pool);
    await session.request(bytes('connects'));
    backend.onRequest = onRequest;
    const error = await failureOf(session.request(bytes('x'), options));
    t.like(error, { endpoint: backend.endpoint, serviceName: 'echo', wantedVersion: '1.0.0', attempts: 1 });
    t.true(error.message.includes(`(request echo 1.0.0 at ${backend.endpoint}`));
  });
}

test('a request over a pool fails with the REFUSED of the acquire, which names the service', async (t) => {
  const { pool } = await startPooled(t, echo);
  const session = openPooled(t, pool, { serviceName: 'unknown-service' });
  const error = await failureOf(session.request(bytes('x')));
  t.like(error, { code: 'REFUSED', serviceName: 'unknown-service', refusalKind: 'serviceUnknown' });
});

test('a foreign backend is forgotten by the pool', async (t) => {
  const { backend, pool } = await startPooled(t, (_request, { socket }) => void socket.write('HTTP/1.1 400'));
  const session = openPooled(t, pool);
  t.is((await failureOf(session.request(bytes('x')))).code, 'FRAMING_VERSION');
  t.is(pool.stats().cachedEndpoints, 0);
  await backend.until(() => backend.openConnections === 0);
});
