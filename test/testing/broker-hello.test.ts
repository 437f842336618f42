import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ExecutionContext } from 'ava';
import { endpointIn } from '../helpers/endpoints.js';
import test from '../helpers/sanitary.js';
import { HALF_OPEN, onWindows, onWine, OWN_PIPE, testWhere } from '../helpers/test-where.js';
import { EmbeddedBroker, type EmbeddedBrokerOptions, type EmbeddedService } from '../../src/testing/index.js';
import { encodeFrame } from '../../src/wire/frame.js';
import {
  FrameKind,
  PayloadEncoding,
  PayloadProtocol,
  RefusalCode,
  type Frame,
  type Hello,
} from '../../src/wire/messages.js';
import { dial, exchange, helloPayload, readToEnd, replyIn, request } from './raw-peer.js';

const BACKEND = endpointIn('/run', 'backend');

async function startBroker(
  t: ExecutionContext,
  options: EmbeddedBrokerOptions = {},
): Promise<EmbeddedBroker> {
  const services = { echo: { endpoint: BACKEND, version: '1.0.0' } };
  const broker = await EmbeddedBroker.start({ services, ...options });
  t.teardown(() => broker.stop());
  return broker;
}

async function refusalOf(broker: EmbeddedBroker, bytes: Uint8Array) {
  const { frame, result } = replyIn(await exchange(broker.endpoint, bytes));
  if (result?.kind !== 'refused') throw new Error('not refused');
  const { code, daemonMaxProtocol, daemonMinProtocol, details, reason, retryAfterMs } = result.refused;
  if (daemonMinProtocol !== 1 || daemonMaxProtocol !== 1 || Object.keys(details).length > 0)
    throw new Error('not in the form of V-11');
  return { code, reason, retryAfterMs, requestId: frame.requestId };
}

test('a Negotiated holds the wanted version, the endpoint and a token (V-70, V-71)', async (t) => {
  const broker = await startBroker(t);
  const { frame, result } = replyIn(
    await exchange(broker.endpoint, request(helloPayload({ clientKeepaliveSecs: 9n }))),
  );
  const { kind, payloadProtocol, payloadEncoding, requestId, traceparent, tracestate, deadlineUnixMs } =
    frame;
  t.deepEqual(
    { kind, payloadProtocol, payloadEncoding, requestId, traceparent, tracestate, deadlineUnixMs },
    {
      kind: FrameKind.RESPONSE,
      payloadProtocol: PayloadProtocol.CONTROL,
      payloadEncoding: PayloadEncoding.NONE,
      requestId: 7n,
      traceparent: 'parent',
      tracestate: 'state',
      deadlineUnixMs: 0n,
    },
  );
  if (result?.kind !== 'negotiated') return t.fail();
  const { handlePassedToken, ...negotiated } = result.negotiated;
  t.is(handlePassedToken.length, 16);
  t.deepEqual(negotiated, {
    negotiatedProtocol: 1,
    daemonVersion: '1.0.0',
    backendPipe: BACKEND,
    warnings: [],
    serverCapabilities: 1n,
    keepaliveIntervalSecs: 9n,
    connectionId: 1n,
  });
});

test('a client that cannot adopt gets neither token nor capability; every other gets a token of its own (V-71)', async (t) => {
  const broker = await startBroker(t);
  const tokens = new Set<string>();
  for (const clientCapabilities of [0n, 2n, 1n, 3n]) {
    const { result } = replyIn(
      await exchange(broker.endpoint, request(helloPayload({ clientCapabilities }))),
    );
    if (result?.kind !== 'negotiated') return t.fail();
    const { handlePassedToken, keepaliveIntervalSecs, serverCapabilities } = result.negotiated;
    t.is(serverCapabilities, clientCapabilities & 1n);
    t.is(keepaliveIntervalSecs, 1_800n);
    tokens.add(Buffer.from(handlePassedToken).toString('hex'));
  }
  t.is(tokens.size, 3);
  t.true(tokens.has(''));
});

const onPosix = testWhere(!onWindows, 'file modes');

onPosix('the socket has mode 0600 in a directory of mode 0700, and stop removes both', async (t) => {
  const broker = await startBroker(t);
  const directory = dirname(broker.endpoint);
  t.is(statSync(broker.endpoint).mode & 0o777, 0o600);
  t.is(statSync(directory).mode & 0o777, 0o700);
  await broker.stop();
  t.throws(() => statSync(directory), { code: 'ENOENT' });
});

testWhere(!onWine, OWN_PIPE)('an endpoint in use is not taken away (N-10)', async (t) => {
  const broker = await startBroker(t);
  await t.throwsAsync(EmbeddedBroker.start({ endpoint: broker.endpoint }), { code: 'EADDRINUSE' });
  t.is(replyIn(await exchange(broker.endpoint, request(helloPayload()))).result?.kind, 'negotiated');
});

const { BACKEND_SPAWN_FAILED, PEER_REJECTED, SERVICE_UNKNOWN, VERSION_BLOCKED, VERSION_UNSUPPORTED } =
  RefusalCode;

const unframed: readonly (readonly [string, Uint8Array, number, string])[] = [
  [
    'another framing version',
    Buffer.from([2, 0, 0, 0, 0]),
    VERSION_UNSUPPORTED,
    'unsupported framing version',
  ],
  [
    'a header that announces more than 16 MiB',
    Buffer.from([1, 1, 0, 0, 1]),
    PEER_REJECTED,
    'initial Hello frame exceeds 64 KiB',
  ],
  ['a body that is no Frame', encodeFrame(Buffer.from('nonsense')), PEER_REJECTED, 'malformed broker Frame'],
];

for (const [what, bytes, code, reason] of unframed) {
  test(`${what} is refused without a request id: ${reason} (V-04, V-05, V-07)`, async (t) => {
    const broker = await startBroker(t);
    t.deepEqual(await refusalOf(broker, bytes), { code, reason, retryAfterMs: 0n, requestId: 0n });
    t.is(broker.helloCount, 0);
  });
}

const envelopes: readonly (readonly [Partial<Frame>, number, string])[] = [
  [{ envelopeVersion: 2, kind: FrameKind.EVENT }, VERSION_UNSUPPORTED, 'frame envelope_version is not v1'],
  [{ kind: FrameKind.EVENT, payloadProtocol: 1 }, PEER_REJECTED, 'Hello frame kind must be REQUEST'],
  [
    { payloadProtocol: 0x7001, payloadEncoding: 1 },
    PEER_REJECTED,
    'Hello frame payload_protocol must be control-plane',
  ],
  [
    { payloadEncoding: 1, payload: Buffer.from([255]) },
    PEER_REJECTED,
    'Hello payload must not be compressed',
  ],
  [{ payload: Buffer.from([255]) }, PEER_REJECTED, 'malformed Hello payload'],
  [
    { payload: new Uint8Array(65_537), envelopeVersion: 2 },
    PEER_REJECTED,
    'initial Hello frame exceeds 64 KiB',
  ],
];

for (const [changes, code, reason] of envelopes) {
  test(`a Hello frame is refused with its id: ${reason} (V-08, V-50)`, async (t) => {
    const broker = await startBroker(t);
    const refusal = await refusalOf(broker, request(helloPayload(), changes));
    t.deepEqual(refusal, { code, reason, retryAfterMs: 0n, requestId: 7n });
  });
}

const hellos: readonly (readonly [Partial<Hello>, number, string])[] = [
  [
    { clientMinProtocol: 0, clientMaxProtocol: 0 },
    VERSION_UNSUPPORTED,
    'client protocol range does not include v1',
  ],
  [
    { clientMinProtocol: 2, clientMaxProtocol: 3, serviceName: 'A' },
    VERSION_UNSUPPORTED,
    'client protocol range does not include v1',
  ],
  [{ serviceName: 'Echo', wantedVersion: 'v1' }, PEER_REJECTED, 'invalid service_name'],
  [{ wantedVersion: '1.0', clientVersion: 'x'.repeat(129) }, PEER_REJECTED, 'invalid wanted_version'],
  [
    { clientVersion: 'é'.repeat(65), clientLibName: 'x'.repeat(65) },
    PEER_REJECTED,
    'client_version exceeds 128 bytes',
  ],
  [{ clientLibName: 'x'.repeat(65) }, PEER_REJECTED, 'client_lib fields exceed 64 bytes'],
  [{ clientLibVersion: 'x'.repeat(65) }, PEER_REJECTED, 'client_lib fields exceed 64 bytes'],
  [{ serviceName: 'unknown' }, SERVICE_UNKNOWN, 'service definition was not found'],
];

for (const [changes, code, reason] of hellos) {
  test(`a Hello with ${JSON.stringify(changes)} is refused: ${reason} (V-51, V-52, V-80)`, async (t) => {
    const broker = await startBroker(t);
    t.deepEqual(await refusalOf(broker, request(helloPayload(changes))), {
      code,
      reason,
      retryAfterMs: 0n,
      requestId: 7n,
    });
    t.is(broker.helloCount, 1);
  });
}

test('a Hello that names another process than the kernel does is refused; 0 and the right one are not (V-53)', async (t) => {
  const broker = await startBroker(t);
  for (const peerPid of [0, process.pid]) {
    t.is(
      replyIn(await exchange(broker.endpoint, request(helloPayload({ peerPid })))).result?.kind,
      'negotiated',
    );
  }
  const { result } = replyIn(
    await exchange(broker.endpoint, request(helloPayload({ peerPid: process.pid + 1 }))),
  );
  const kernelTells = process.platform === 'linux' && process.env['BROKER_POOL_FFI'] !== '0';
  if (kernelTells)
    t.like(result, { kind: 'refused', refused: { reason: 'peer_pid does not match verified peer' } });
  else t.is(result?.kind, 'negotiated');
});

const policies: readonly (readonly [Partial<EmbeddedService>, string, number | undefined, string, bigint])[] =
  [
    [{ minVersion: '1.10.0' }, '1.9.9', VERSION_BLOCKED, 'wanted_version is below min_version', 30_000n],
    [{ minVersion: '1.10.0' }, '1.10.0-rc.1', undefined, '', 0n],
    [{ minVersion: '1.10.0' }, '2.0.0', undefined, '', 0n],
    [{ minVersion: '1.10.0' }, '0.0.99999999999999999999', undefined, '', 0n],
    [{ versionAllowList: ['1.0.0', '1.0.1'] }, '1.0.1', undefined, '', 0n],
    [
      { versionAllowList: ['1.0.0'] },
      '1.0.0-a',
      VERSION_BLOCKED,
      'wanted_version is not in version_allow_list',
      30_000n,
    ],
    [
      { minVersion: '2.0.0', versionAllowList: ['2.0.0'] },
      '1.0.0',
      VERSION_BLOCKED,
      'wanted_version is below min_version',
      30_000n,
    ],
    [{ version: '1.0.0' }, '1.0.1', BACKEND_SPAWN_FAILED, 'backend is not registered', 1_000n],
    [{ versions: ['1.0.0', '1.0.1'] }, '1.0.1', undefined, '', 0n],
  ];

for (const [policy, wantedVersion, code, reason, retryAfterMs] of policies) {
  test(`version ${wantedVersion} of a service with ${JSON.stringify(policy)}: ${reason || 'negotiated'} (V-55, V-56, V-86)`, async (t) => {
    const broker = await startBroker(t, { services: { echo: { endpoint: BACKEND, ...policy } } });
    const bytes = request(helloPayload({ wantedVersion }));
    if (code === undefined) t.is(replyIn(await exchange(broker.endpoint, bytes)).result?.kind, 'negotiated');
    else t.deepEqual(await refusalOf(broker, bytes), { code, reason, retryAfterMs, requestId: 7n });
  });
}

test('one request per connection: a second gets no reply (V-01)', async (t) => {
  const broker = await startBroker(t);
  const bytes = request(helloPayload());
  replyIn(await exchange(broker.endpoint, Buffer.concat([bytes, bytes])));
  t.is(broker.helloCount, 1);
});

testWhere(!onWindows, HALF_OPEN)(
  'a client that ends its side behind the Hello still gets its reply, one in mid-frame a refusal (V-06, V-31)',
  async (t) => {
    const broker = await startBroker(t);
    const bytes = request(helloPayload());
    const whole = await dial(broker.endpoint);
    whole.end(bytes);
    t.is(replyIn(await readToEnd(whole)).result?.kind, 'negotiated');
    const half = await dial(broker.endpoint);
    half.end(bytes.subarray(0, 20));
    t.like(replyIn(await readToEnd(half)).result, {
      kind: 'refused',
      refused: { code: PEER_REJECTED, reason: 'incomplete Hello frame' },
    });
  },
);

test('a client that sends its Hello byte by byte is answered; one that does not finish is dropped without a reply (V-20, V-22)', async (t) => {
  const bytes = request(helloPayload());
  const patient = await dial((await startBroker(t)).endpoint);
  for (const byte of bytes) patient.write(Uint8Array.of(byte));
  t.is(replyIn(await readToEnd(patient)).result?.kind, 'negotiated');
  const hasty = await startBroker(t, { helloTimeoutMs: 50 });
  t.is((await exchange(hasty.endpoint, bytes.subarray(0, 20))).length, 0);
});
