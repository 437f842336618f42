import type { ExecutionContext } from 'ava';
import { endpointIn } from '../helpers/endpoints.js';
import test from '../helpers/sanitary.js';
import { EmbeddedBroker, type BrokerBehaviour, type EmbeddedBrokerOptions } from '../../src/testing/index.js';
import {
  decodeHandoffAck,
  decodeHelloReply,
  FrameKind,
  PayloadProtocol,
  RefusalCode,
} from '../../src/wire/messages.js';
import {
  dial,
  exchange,
  framesIn,
  helloPayload,
  readBytes,
  readToEnd,
  replyIn,
  request,
} from './raw-peer.js';

const BACKEND = endpointIn('/run', 'backend');
const OTHER_BACKEND = endpointIn('/run', 'other');

const HELLO = request(helloPayload());

async function startBroker(
  t: ExecutionContext,
  options: EmbeddedBrokerOptions = {},
): Promise<EmbeddedBroker> {
  const broker = await EmbeddedBroker.start({
    services: { echo: { endpoint: BACKEND } },
    ...options,
  });
  t.teardown(() => broker.stop());
  return broker;
}

/** All that a client gets for a Hello that meets this behaviour. */
async function streamFor(t: ExecutionContext, behaviour: BrokerBehaviour): Promise<Buffer> {
  const broker = await startBroker(t);
  broker.behaviour = behaviour;
  return exchange(broker.endpoint, HELLO);
}

/** The connection of a client behind its Hello. */
async function sayHello(broker: EmbeddedBroker) {
  const socket = await dial(broker.endpoint);
  socket.write(HELLO);
  return socket;
}

test('close hangs up without a byte', async (t) => {
  t.is((await streamFor(t, { kind: 'close' })).length, 0);
});

test('halfFrame sends half of the reply, or as many bytes as asked for', async (t) => {
  const half = await streamFor(t, { kind: 'halfFrame' });
  t.true(half.length > 5 && half.length < 5 + half.readUInt32LE(1));
  t.is((await streamFor(t, { kind: 'halfFrame', bytes: 3 })).length, 3);
});

test('garbage sends a frame around a body that is no Frame, or the bytes asked for', async (t) => {
  const garbage = await streamFor(t, { kind: 'garbage' });
  t.throws(() => framesIn(garbage), { code: 'DECODE_FRAME' });
  t.deepEqual(await streamFor(t, { kind: 'garbage', bytes: Buffer.from('xyz') }), Buffer.from('xyz'));
});

test('wrongVersionByte and oversizedHeader break the framing', async (t) => {
  t.is((await streamFor(t, { kind: 'wrongVersionByte' }))[0], 2);
  t.deepEqual(await streamFor(t, { kind: 'oversizedHeader' }), Buffer.from([1, 1, 0, 0, 1]));
});

test('chunked sends the whole reply', async (t) => {
  t.is(replyIn(await streamFor(t, { kind: 'chunked' })).result?.kind, 'negotiated');
});

test('extraBytes sends the reply and then the bytes asked for', async (t) => {
  const stream = await streamFor(t, { kind: 'extraBytes', bytes: Buffer.from('more') });
  t.is(stream.subarray(-4).toString(), 'more');
  t.is(replyIn(stream.subarray(0, -4)).result?.kind, 'negotiated');
});

test('envelope sends the reply under the envelope asked for', async (t) => {
  const { frame, result } = replyIn(
    await streamFor(t, { kind: 'envelope', frame: { kind: FrameKind.EVENT, requestId: 8n } }),
  );
  t.like(frame, { kind: FrameKind.EVENT, requestId: 8n });
  t.is(result?.kind, 'negotiated');
});

test('refuse sends the code, reason and hint asked for', async (t) => {
  const { result } = replyIn(
    await streamFor(t, { kind: 'refuse', code: 99, reason: 'because', retryAfterMs: 50 }),
  );
  t.like(result, { kind: 'refused', refused: { code: 99, reason: 'because', retryAfterMs: 50n } });
});

test('negotiate, emptyPipe and noResult change the contents of the HelloReply', async (t) => {
  const changed = replyIn(
    await streamFor(t, {
      kind: 'negotiate',
      negotiated: { warnings: ['old'], handlePassedToken: new Uint8Array(3) },
    }),
  );
  t.like(changed.result, { negotiated: { warnings: ['old'], backendPipe: BACKEND } });
  t.like(replyIn(await streamFor(t, { kind: 'emptyPipe' })).result, {
    kind: 'negotiated',
    negotiated: { backendPipe: '' },
  });
  t.is(replyIn(await streamFor(t, { kind: 'noResult' })).result, undefined);
});

test('delay sends the reply when the promise settles, however it does', async (t) => {
  const broker = await startBroker(t);
  let release = (): void => {};
  const wait = new Promise<void>((_, reject) => {
    release = () => reject(new Error('over'));
  });
  broker.script({ kind: 'delay', wait });
  const slow = await sayHello(broker);
  await broker.until(() => broker.helloCount === 1);
  t.is(replyIn(await exchange(broker.endpoint, HELLO)).result?.kind, 'negotiated', 'others do not wait');
  release();
  t.is(replyIn(await readToEnd(slow)).result?.kind, 'negotiated');
  t.is(broker.earlyHangUps, 0);
});

test('silent sends no reply until it is released', async (t) => {
  const broker = await startBroker(t);
  broker.script({ kind: 'silent' }, { kind: 'silent' });
  const clients = [await sayHello(broker), await sayHello(broker)];
  await broker.until(() => broker.helloCount === 2);
  t.is(broker.openConnections, 2);
  broker.releaseSilent();
  for (const client of clients) t.is(replyIn(await readToEnd(client)).result?.kind, 'negotiated');
});

test('the broker counts a client that hangs up before its reply (X-20)', async (t) => {
  const broker = await startBroker(t);
  broker.script({ kind: 'silent' }, { kind: 'delay', wait: new Promise(() => {}) });
  for (const hangUps of [1, 2]) {
    const arrived = broker.nextHello();
    const client = await sayHello(broker);
    await arrived;
    client.destroy();
    await broker.until(() => broker.earlyHangUps === hangUps && broker.openConnections === 0);
  }
  const mute = await dial(broker.endpoint);
  mute.destroy();
  await broker.until(() => broker.earlyHangUps === 3);
  t.is(broker.connectionCount, 3);
});

test('a client that waits for its reply, or whose broker stops, has not hung up', async (t) => {
  const broker = await startBroker(t);
  await exchange(broker.endpoint, HELLO);
  broker.behaviour = { kind: 'silent' };
  const waiting = await sayHello(broker);
  await broker.until(() => broker.helloCount === 2);
  await broker.stop();
  t.is((await readToEnd(waiting)).length, 0);
  t.is(broker.earlyHangUps, 0);
});

test('a Hello gets the scripted behaviour first, then that of decide, then the general one', async (t) => {
  const refuse = (reason: string): BrokerBehaviour => ({
    kind: 'refuse',
    code: RefusalCode.INTERNAL,
    reason,
  });
  const broker = await startBroker(t, {
    decide: ({ wantedVersion }) =>
      wantedVersion === '2.0.0' ? Promise.resolve(refuse('decided')) : undefined,
  });
  broker.behaviour = refuse('general');
  broker.script(refuse('scripted'));
  const reasons: unknown[] = [];
  for (const wantedVersion of ['2.0.0', '2.0.0', '1.0.0']) {
    const { result } = replyIn(await exchange(broker.endpoint, request(helloPayload({ wantedVersion }))));
    reasons.push(result?.kind === 'refused' ? result.refused.reason : result);
  }
  t.deepEqual(reasons, ['scripted', 'decided', 'general']);
});

test('services come and go while it runs', async (t) => {
  const broker = await startBroker(t);
  broker.services.set('echo', { endpoint: OTHER_BACKEND });
  t.like(replyIn(await exchange(broker.endpoint, HELLO)).result, {
    negotiated: { backendPipe: OTHER_BACKEND },
  });
  broker.services.delete('echo');
  t.is(replyIn(await exchange(broker.endpoint, HELLO)).result?.kind, 'refused');
});

test('nextHello gives the Hello and its frame', async (t) => {
  const broker = await startBroker(t);
  const next = broker.nextHello();
  await exchange(broker.endpoint, request(helloPayload({ clientVersion: '9' })));
  const { frame, hello } = await next;
  t.is(hello.clientVersion, '9');
  t.is(frame.traceparent, 'parent');
});

test('stopping a broker rejects its waiters', async (t) => {
  const broker = await startBroker(t);
  const next = broker.nextHello();
  const stopped = Promise.all([broker.stop(), broker.stop()]);
  await t.throwsAsync(next, { message: 'the embedded broker was stopped' });
  await stopped;
  await t.throwsAsync(
    broker.until(() => false),
    { message: 'the embedded broker was stopped' },
  );
});

test('readyThenBackendBytes sends event and backend bytes with the reply, then the connection echoes (C-47)', async (t) => {
  const broker = await startBroker(t);
  broker.script({ kind: 'readyThenBackendBytes', bytes: Buffer.from('first') });
  const client = await sayHello(broker);
  const reply = framesIn(await readFrame(client));
  const ready = framesIn(await readFrame(client));
  t.is((await readBytes(client, 5)).toString(), 'first');
  t.like(ready[0], { kind: FrameKind.EVENT, payloadProtocol: PayloadProtocol.HANDOFF, requestId: 1n });
  t.deepEqual(decodeHandoffAck(ready[0]!.payload), {
    token: tokenIn(reply[0]!.payload),
    accepted: true,
    errorDetail: '',
    correlationId: 1n,
  });
  client.write('echo this');
  t.is((await readBytes(client, 9)).toString(), 'echo this');
  client.destroy();
});

const events: readonly (readonly [BrokerBehaviour, { accepted: boolean; sameToken: boolean }])[] = [
  [
    { kind: 'lateReady', wait: 1 },
    { accepted: true, sameToken: true },
  ],
  [{ kind: 'wrongToken' }, { accepted: true, sameToken: false }],
  [{ kind: 'rejectedAck' }, { accepted: false, sameToken: true }],
];

for (const [behaviour, expected] of events) {
  test(`${behaviour.kind}: a handoff-ready event with ${JSON.stringify(expected)}`, async (t) => {
    const broker = await startBroker(t);
    broker.script(behaviour);
    const client = await sayHello(broker);
    const token = tokenIn(framesIn(await readFrame(client))[0]!.payload);
    const ack = decodeHandoffAck(framesIn(await readFrame(client))[0]!.payload);
    t.deepEqual({ accepted: ack.accepted, sameToken: Buffer.from(ack.token).equals(token) }, expected);
    client.destroy();
    await broker.until(() => broker.openConnections === 0);
    t.is(broker.earlyHangUps, 0);
  });
}

test('a client that cannot adopt gets no handoff behaviour', async (t) => {
  const broker = await startBroker(t);
  broker.script({ kind: 'wrongToken' });
  t.is(
    replyIn(await exchange(broker.endpoint, request(helloPayload({ clientCapabilities: 0n })))).result?.kind,
    'negotiated',
  );
});

async function readFrame(socket: Awaited<ReturnType<typeof dial>>): Promise<Buffer> {
  const header = await readBytes(socket, 5);
  return Buffer.concat([header, await readBytes(socket, header.readUInt32LE(1))]);
}

function tokenIn(payload: Uint8Array): Uint8Array {
  const { result } = decodeHelloReply(payload);
  if (result?.kind !== 'negotiated') throw new Error('not negotiated');
  return result.negotiated.handlePassedToken;
}
