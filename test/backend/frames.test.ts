import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { ExecutionContext } from 'ava';
import test from '../helpers/sanitary.js';
import { FFI, testWhere } from '../helpers/test-where.js';
import { framesIn, readBytes, readToEnd } from '../testing/raw-peer.js';
import type { BackendRequest, BackendOptions } from '../../src/backend/index.js';
import { BrokerPoolError } from '../../src/errors.js';
import { loadNative } from '../../src/os/native.js';
import { decodeDaemonProcess, FrameKind, PayloadProtocol, type Frame } from '../../src/wire/messages.js';
import { deferred, dial, DIGEST, ECHO, echoing, probe, request, start } from './kit.js';

const NONCE = randomBytes(32);
/** Without the C library a client that has gone looks like one that has ended its side. */
const withFfi = testWhere(loadNative() !== undefined, FFI);

/** Sends bytes, ends the client's side, and returns the frames that come back until the backend closes. */
async function talk(
  t: ExecutionContext,
  bytes: readonly Uint8Array[],
  options: BackendOptions = echoing,
): Promise<Frame[]> {
  const backend = await start(t, options);
  const client = await dial(t, backend.endpoint);
  for (const piece of bytes) client.write(piece);
  client.end();
  return framesIn(await readToEnd(client));
}

const payloadsOf = (frames: readonly Frame[]): string[] =>
  frames.map(({ payload }) => String(Buffer.from(payload)));

test('an answer repeats id, protocol and trace context, with version 1, kind RESPONSE and no deadline (S-58, S-73)', async (t) => {
  const trace = {
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    tracestate: 'vendor=1',
  };
  const [answer] = await talk(t, [request('ping', { requestId: 7n, deadlineUnixMs: 9n, ...trace })]);
  t.deepEqual(answer, {
    envelopeVersion: 1,
    kind: FrameKind.RESPONSE,
    payloadProtocol: ECHO,
    payload: new Uint8Array(Buffer.from('ping')),
    requestId: 7n,
    payloadEncoding: 0,
    deadlineUnixMs: 0n,
    ...trace,
  });
});

test('a handler gets payload, protocol, id and trace context', async (t) => {
  const seen: unknown[] = [];
  const onRequest = ({
    payload,
    payloadProtocol,
    requestId,
    traceparent,
    tracestate,
    signal,
  }: BackendRequest) => {
    seen.push([
      String(Buffer.from(payload)),
      payloadProtocol,
      requestId,
      traceparent,
      tracestate,
      signal.aborted,
    ]);
    return payload;
  };
  await talk(t, [request('x', { requestId: 2n ** 64n - 1n, traceparent: 'p', tracestate: 's' })], {
    payloadProtocols: [ECHO],
    onRequest,
  });
  t.deepEqual(seen, [['x', ECHO, 2n ** 64n - 1n, 'p', 's', false]]);
});

test('requests in one write are answered, ids 0 and 2^64-1 and doubled ones included (S-52 to S-54)', async (t) => {
  const ids = [0n, 5n, 5n, 2n ** 64n - 1n];
  const frames = await talk(t, [Buffer.concat(ids.map((requestId) => request('a', { requestId })))]);
  t.deepEqual(
    frames.map(({ requestId }) => requestId),
    ids,
  );
});

test('a request in pieces of one byte is answered (S-67)', async (t) => {
  t.deepEqual(
    payloadsOf(
      await talk(
        t,
        [...request('ping')].map((byte) => Uint8Array.of(byte)),
      ),
    ),
    ['ping'],
  );
});

test('answers come in the order of the promises (S-74)', async (t) => {
  const first = deferred<Uint8Array>();
  const backend = await start(t, {
    payloadProtocols: [ECHO],
    onRequest: ({ payload, requestId }) => (requestId === 1n ? first.promise : Promise.resolve(payload)),
  });
  const client = await dial(t, backend.endpoint);
  client.end(Buffer.concat([request('late', { requestId: 1n }), request('soon', { requestId: 2n })]));
  await readBytes(client, request('soon', { requestId: 2n }).length + 2).then((bytes) =>
    t.deepEqual(payloadsOf(framesIn(bytes)), ['soon']),
  );
  first.resolve(Buffer.from('late'));
  t.deepEqual(payloadsOf(framesIn(await readToEnd(client))), ['late']);
});

test('a client that ends its side gets the answer that it still awaits (S-59)', async (t) => {
  const answer = deferred<Uint8Array>();
  const ended = deferred<void>();
  const backend = await start(t, {
    payloadProtocols: [ECHO],
    onRequest: () => (ended.resolve(), answer.promise),
  });
  const client = await dial(t, backend.endpoint);
  client.end(request('x'));
  await ended.promise;
  answer.resolve(Buffer.from('y'));
  t.deepEqual(payloadsOf(framesIn(await readToEnd(client))), ['y']);
});

test('frames that are no requests are passed over (S-57, S-75)', async (t) => {
  const others = [FrameKind.RESPONSE, FrameKind.EVENT, FrameKind.CANCEL, 9].map((kind) =>
    request('no', { kind }),
  );
  t.deepEqual(payloadsOf(await talk(t, [...others, request('yes')])), ['yes']);
});

const fatal: readonly (readonly [string, Uint8Array])[] = [
  ['of a protocol that is not served', request('x', { payloadProtocol: 0x7002 })],
  ['of protocol 0', request('x', { payloadProtocol: PayloadProtocol.CONTROL })],
  ['of the admin protocol', request('x', { payloadProtocol: PayloadProtocol.ADMIN })],
  ['of the handoff protocol', request('x', { payloadProtocol: PayloadProtocol.HANDOFF })],
  ['of the session protocol', request('x', { payloadProtocol: PayloadProtocol.SESSION })],
  ['with an empty body (S-72)', Uint8Array.of(1, 0, 0, 0, 0)],
  ['whose body is no Frame (S-72)', Uint8Array.of(1, 3, 0, 0, 0, 0xff, 0xff, 0xff)],
  ['that declares 16 MiB and one byte (S-72)', Uint8Array.of(1, 1, 0, 0, 1)],
  ['of another envelope version', request('x', { envelopeVersion: 2 })],
  ['that is compressed', request('x', { payloadEncoding: 1 })],
  ['with a first byte of 2', Uint8Array.of(2, 0, 0, 0, 0)],
  ['that probes with 31 bytes (P-21)', probe(new Uint8Array(31))],
  ['that probes with 33 bytes (P-21)', probe(new Uint8Array(33))],
  ['that probes as a response (P-21)', probe(NONCE, { kind: FrameKind.RESPONSE })],
  ['that probes compressed (P-21)', probe(NONCE, { payloadEncoding: 1 })],
  ['that probes in version 2 (P-21)', probe(NONCE, { envelopeVersion: 2 })],
];

for (const [what, bytes] of fatal) {
  test(`a frame ${what} ends the connection without a byte (S-33, S-71)`, async (t) => {
    const backend = await start(t, echoing);
    const client = await dial(t, backend.endpoint);
    client.write(bytes);
    t.is((await readToEnd(client)).length, 0);
  });
}

test('requests before a fatal frame are answered, those behind it are not (S-68)', async (t) => {
  const pieces = [request('before'), request('x', { payloadProtocol: 0x7002 }), request('behind')];
  t.deepEqual(payloadsOf(await talk(t, [Buffer.concat(pieces)])), ['before']);
});

test('half a frame and the end of the stream get no answer (S-60)', async (t) => {
  t.deepEqual(await talk(t, [request('x').subarray(0, 9)]), []);
});

test('a probe is answered with its nonce and the identity, any id will do (P-02, P-20, P-21)', async (t) => {
  const backend = await start(t, echoing);
  for (const requestId of [0n, NONCE.readBigUInt64LE()]) {
    const client = await dial(t, backend.endpoint);
    client.end(probe(NONCE, { requestId, traceparent: 'p' }));
    const [answer] = framesIn(await readToEnd(client));
    t.like(answer, { kind: FrameKind.RESPONSE, payloadProtocol: 0xb232, requestId, traceparent: 'p' });
    t.deepEqual(Buffer.from(answer!.payload.subarray(0, 32)), NONCE);
    t.deepEqual(decodeDaemonProcess(answer!.payload.subarray(32)), await backend.identity());
  }
  t.is(backend.stats().probes, 2);
});

test('probes and requests share a connection in any order (P-23, S-37)', async (t) => {
  const frames = await talk(t, [request('a'), probe(NONCE), request('b'), probe(NONCE)]);
  t.deepEqual(
    frames.map(({ payloadProtocol }) => payloadProtocol),
    [ECHO, 0xb232, ECHO, 0xb232],
  );
});

test('the identity is that of this process', async (t) => {
  const backend = await start(t, { ...echoing, namespace: 'private:x' });
  t.like(await backend.identity(), {
    pid: process.pid,
    exeHash: DIGEST,
    exeHashAlgorithm: 'blake3',
    ipcEndpoint: { namespaceId: 'private:x', path: backend.endpoint },
  });
});

for (const [what, onRequest, cause] of [
  [
    'throws',
    () => {
      throw new Error('broken');
    },
    /broken/,
  ],
  ['rejects', () => Promise.reject(new Error('broken')), /broken/],
  ['returns no bytes', () => JSON.parse('{}'), /must return a Uint8Array/],
  ['answers with too many bytes (S-51)', () => new Uint8Array(16 * 1024 * 1024), /exceeds cap/],
] as const) {
  test(`a handler that ${what} is reported, and the connection ends behind the other answers`, async (t) => {
    const errors: BrokerPoolError[] = [];
    const frames = await talk(t, [request('good'), request('bad'), request('behind')], {
      payloadProtocols: [ECHO],
      onRequest: (one) => (String(Buffer.from(one.payload)) === 'bad' ? onRequest() : one.payload),
      onError: (error) => errors.push(error),
    });
    t.is(payloadsOf(frames)[0], 'good');
    t.true(frames.length < 3);
    t.is(errors.length, 1);
    t.is(errors[0]?.code, 'REQUEST_FAILED');
    t.regex(String(errors[0]?.cause), cause);
  });
}

withFfi(
  'the signal of a request aborts when its client closes, and not while the client has ended its side only (S-57)',
  async (t) => {
    const requests: BackendRequest[] = [];
    const arrived = deferred<void>();
    const backend = await start(t, {
      payloadProtocols: [ECHO],
      onRequest: (one) => {
        requests.push(one);
        if (requests.length === 2) arrived.resolve();
        return new Promise<Uint8Array>(() => {});
      },
    });
    const [ending, closing] = [await dial(t, backend.endpoint), await dial(t, backend.endpoint)];
    ending.end(request('ends', { requestId: 1n }));
    closing.write(request('closes', { requestId: 2n }));
    await arrived.promise;
    const signals = new Map(requests.map(({ requestId, signal }) => [requestId, signal]));
    const aborted = once(signals.get(2n)!, 'abort');
    closing.destroy();
    await aborted;
    t.false(signals.get(1n)?.aborted);
  },
);

test('a connection is read no further while maxInFlight answers are owed', async (t) => {
  const answers: (() => void)[] = [];
  let most = 0;
  const backend = await start(t, {
    payloadProtocols: [ECHO],
    maxInFlight: 4,
    onRequest: ({ payload }) =>
      new Promise((resolve) => {
        most = Math.max(
          most,
          answers.push(() => resolve(payload)),
        );
      }),
  });
  const client = await dial(t, backend.endpoint);
  for (let id = 0; id < 100; id++) client.write(request('x', { requestId: BigInt(id) }));
  client.end();
  const received = readToEnd(client);
  const answering = setInterval(() => answers.splice(0).forEach((answer) => answer()), 1);
  t.is(framesIn(await received).length, 100);
  clearInterval(answering);
  t.is(most, 4);
});

test('a client that does not read its answers is not read either', async (t) => {
  let served = 0;
  const backend = await start(t, {
    payloadProtocols: [ECHO],
    onRequest: () => {
      served++;
      return new Uint8Array(64 * 1024);
    },
  });
  const client = await dial(t, backend.endpoint);
  const many = Buffer.concat(Array.from({ length: 1_000 }, () => request('x')));
  client.write(Buffer.concat(Array.from({ length: 40 }, () => many)));
  // The round trips of another client show that the backend has had its turns.
  for (let turn = 0; turn < 20; turn++) {
    const other = await dial(t, backend.endpoint);
    other.end(probe(NONCE));
    await readToEnd(other);
  }
  t.true(served > 0);
  t.true(served < 100, `${served} requests were served`);
});
