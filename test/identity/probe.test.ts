import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import type { ExecutionContext } from 'ava';
import { systemClock } from '../../src/clock.js';
import type { ErrorCode } from '../../src/errors.js';
import type { FrameView } from '../../src/frames/codec/frame-view.js';
import { probe } from '../../src/identity/probe.js';
import { differenceOf } from '../../src/identity/verify-process.js';
import { encodeDaemonProcess, type DaemonProcess } from '../../src/wire/messages.js';
import { FrameBackend, type BackendConnection, type OnRequest } from '../frames/frame-backend.js';
import { endpointIn } from '../helpers/endpoints.js';
import { scaled } from '../helpers/patience.js';
import { failureOf } from '../helpers/pools.js';
import test, { temporaryDirectory } from '../helpers/sanitary.js';
import { IDENTITY } from './kit.js';

const PROBE = 0xb232;

async function connectTo(
  t: ExecutionContext,
  onRequest: OnRequest,
): Promise<{ backend: FrameBackend; socket: Socket }> {
  const backend = await FrameBackend.start(endpointIn(temporaryDirectory(t), 'probed'), onRequest);
  const socket = connect(backend.endpoint);
  t.teardown(async () => {
    socket.destroy();
    await backend.stop();
  });
  await once(socket, 'connect');
  return { backend, socket };
}

function ask(socket: Socket, signal?: AbortSignal, timeoutMs = scaled(5_000)): Promise<void> {
  return probe(socket, IDENTITY, { deadlineMs: systemClock.now() + timeoutMs, timeoutMs, signal });
}

/** Answers as that process, with or without the SHA-256 that old brokers want. */
function answerAs(identity: DaemonProcess, more: Uint8Array = new Uint8Array(0)): OnRequest {
  return (request, connection) =>
    connection.answer(request, Buffer.concat([request.payload, encodeDaemonProcess(identity), more]));
}

test('the process of the identity passes, and the connection serves requests afterwards (P-20, P-22, P-23)', async (t) => {
  const { backend, socket } = await connectTo(t, answerAs(IDENTITY));
  await ask(socket);
  const [request] = backend.requests;
  t.like(request, {
    envelopeVersion: 1,
    kind: 0,
    payloadProtocol: PROBE,
    payloadEncoding: 0,
    traceparent: '',
  });
  t.is(request?.payload.length, 32);
  t.is(BigInt(request?.requestId ?? 0), Buffer.from(request?.payload ?? []).readBigUInt64LE());
  await ask(socket);
  t.is(backend.connections.length, 1);
});

test('a SHA-256 behind the identity is passed over (P-22)', async (t) => {
  const { socket } = await connectTo(
    t,
    answerAs(IDENTITY, Buffer.concat([Buffer.of(0x1a, 32), Buffer.alloc(32)])),
  );
  await t.notThrowsAsync(ask(socket));
});

for (const [what, change] of [
  ['process id', { pid: 1 }],
  ['executable', { exePath: '/opt/other' }],
  ['hash', { exeHash: new Uint8Array(32) }],
  ['boot', { bootId: 'other' }],
  ['namespace', { ipcEndpoint: { namespaceId: 'private:x', path: '/run/service/service.sock' } }],
  ['endpoint', { ipcEndpoint: { namespaceId: 'shared', path: '/run/other.sock' } }],
] satisfies [string, Partial<DaemonProcess>][])
  test(`a process with another ${what} is refused (P-25)`, async (t) => {
    const { socket } = await connectTo(t, answerAs({ ...IDENTITY, ...change }));
    const error = await failureOf(ask(socket));
    t.is(error.code, 'IDENTITY_MISMATCH');
    t.true(error.message.includes(what), error.message);
  });

test('start time and idle timeout are not compared (P-25)', (t) => {
  t.is(differenceOf({ ...IDENTITY, startedAtUnixMs: 1n, idleTimeoutSecs: 1 }, IDENTITY), undefined);
});

const answer = (request: FrameView, connection: BackendConnection, nonce: Uint8Array, fields = {}): void =>
  connection.answer(request, Buffer.concat([nonce, encodeDaemonProcess(IDENTITY)]), fields);

for (const [what, code, onRequest] of [
  ['another nonce', 'IDENTITY_MISMATCH', (request, peer) => answer(request, peer, Buffer.alloc(32))],
  [
    'kind 0',
    'UNEXPECTED_RESPONSE_FRAME',
    (request, peer) => answer(request, peer, request.payload, { kind: 0 }),
  ],
  [
    'another id',
    'UNEXPECTED_RESPONSE_FRAME',
    (request, peer) => answer(request, peer, request.payload, { requestId: 1 }),
  ],
  [
    'version 2',
    'UNEXPECTED_RESPONSE_FRAME',
    (request, peer) => answer(request, peer, request.payload, { envelopeVersion: 2 }),
  ],
  [
    'another protocol',
    'UNEXPECTED_RESPONSE_FRAME',
    (request, peer) => answer(request, peer, request.payload, { payloadProtocol: 0 }),
  ],
  [
    'no identity',
    'DECODE_FRAME',
    (request, peer) => peer.answer(request, Buffer.concat([request.payload, Buffer.of(0xff, 0xff)])),
  ],
  ['no frame', 'FRAMING_VERSION', (_, { socket }) => socket.write('HTTP/1.1 400')],
  ['half a frame and an end', 'UNEXPECTED_EOF', (_, { socket }) => socket.end(Buffer.of(1, 9))],
  ['an end', 'UNEXPECTED_EOF', (_, { socket }) => socket.end()],
] satisfies [string, ErrorCode, OnRequest][])
  test(`a probe that is answered with ${what} fails with ${code}`, async (t) => {
    const { socket } = await connectTo(t, onRequest);
    t.is((await failureOf(ask(socket))).code, code);
  });

test('two answers in one piece are refused: the second would be taken for that of a request', async (t) => {
  const { socket } = await connectTo(t, (request, connection) => {
    connection.socket.cork();
    for (let times = 0; times < 2; times++) answer(request, connection, request.payload);
    connection.socket.uncork();
  });
  t.is((await failureOf(ask(socket))).code, 'IDENTITY_MISMATCH');
});

test('a silent process fails with TIMEOUT in phase probe (P-24)', async (t) => {
  const { socket } = await connectTo(t, () => {});
  t.like(await failureOf(ask(socket, undefined, 20)), { code: 'TIMEOUT', phase: 'probe' });
});

test('a probe can be aborted', async (t) => {
  const controller = new AbortController();
  const { socket } = await connectTo(t, () => controller.abort());
  t.is((await failureOf(ask(socket, controller.signal))).code, 'ABORTED');
  t.is(socket.listenerCount('data'), 0);
});
