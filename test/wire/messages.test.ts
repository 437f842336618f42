import test from '../helpers/sanitary.js';
import { BrokerPoolError } from '../../src/errors.js';
import { MAX_FRAME_BYTES } from '../../src/wire/frame.js';
import {
  AdminVerb,
  decodeAdminReply,
  decodeAdminRequest,
  decodeDaemonProcess,
  decodeFrame,
  decodeHandoffOffer,
  decodeHello,
  decodeHelloReply,
  decodeNegotiated,
  encodeAdminReply,
  encodeAdminRequest,
  encodeDaemonProcess,
  encodeFrameBody,
  encodeFrameToWire,
  encodeHello,
  encodeHelloReply,
  encodeNegotiated,
  encodeServiceDefinition,
} from '../../src/wire/messages.js';
import { fromHex, toHex } from './hex.js';
import { decodeRefused, encodeRefused } from './refused.js';

test('an empty body decodes to a Frame of defaults (W-51)', (t) => {
  t.deepEqual(decodeFrame(new Uint8Array(0)), {
    envelopeVersion: 0,
    kind: 0,
    payloadProtocol: 0,
    payload: new Uint8Array(0),
    requestId: 0n,
    payloadEncoding: 0,
    deadlineUnixMs: 0n,
    traceparent: '',
    tracestate: '',
  });
});

test('the encoder omits fields with their default and undefined fields (W-20)', (t) => {
  const hello = { clientMinProtocol: 1, connectionId: 0n, serviceName: '', authToken: new Uint8Array(0) };
  t.is(toHex(encodeHello(hello)), '0801');
  t.is(encodeAdminRequest(JSON.parse('{"json":false}')).length, 0);
  const request: object = { verb: AdminVerb.STATUS, serviceName: undefined };
  t.is(toHex(encodeAdminRequest(request)), '0801');
});

test('the encoder writes an idle timeout of 0 and omits an absent one (W-21)', (t) => {
  t.is(toHex(encodeDaemonProcess({ idleTimeoutSecs: 0 })), '3800');
  t.is(toHex(encodeDaemonProcess({})), '');
  t.is(decodeDaemonProcess(fromHex('3800')).idleTimeoutSecs, 0);
  t.false('idleTimeoutSecs' in decodeDaemonProcess(new Uint8Array(0)));
  t.false('ipcEndpoint' in decodeDaemonProcess(new Uint8Array(0)));
});

test('the decoder skips the SHA-256 that responders append to an identity (P-12)', (t) => {
  const identity = encodeDaemonProcess({ pid: 7, exeHashAlgorithm: 'blake3' });
  const suffix = fromHex(`1a20${'ab'.repeat(32)}`);
  t.deepEqual(decodeDaemonProcess(Buffer.concat([identity, suffix])), decodeDaemonProcess(identity));
});

test('the decoder treats an explicit default like an absent field (W-26)', (t) => {
  t.deepEqual(decodeHandoffOffer(fromHex('08001a0161')), decodeHandoffOffer(fromHex('1a0161')));
});

test('enum numbers unknown to v1 survive decoding, negative ones too (W-23)', (t) => {
  t.is(decodeFrame(fromHex('1063')).kind, 99);
  t.is(decodeRefused(fromHex('2015')).code, 21);
  t.is(decodeAdminRequest(encodeAdminRequest({ verb: 99 })).verb, 99);
  t.is(decodeAdminRequest(encodeAdminRequest({ verb: -1 })).verb, -1);
});

test('64-bit numbers keep every bit', (t) => {
  for (const value of [2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
    t.is(decodeHello(encodeHello({ clientCapabilities: value })).clientCapabilities, value);
  }
});

test('a HelloReply holds a Negotiated, a Refused, or no result (W-33)', (t) => {
  const yes = decodeHelloReply(
    encodeHelloReply({ result: { kind: 'negotiated', negotiated: { backendPipe: '/b' } } }),
  );
  t.is(yes.result?.kind === 'negotiated' && yes.result.negotiated.backendPipe, '/b');
  const no = decodeHelloReply(encodeHelloReply({ result: { kind: 'refused', refused: { code: 4 } } }));
  t.is(no.result?.kind === 'refused' && no.result.refused.code, 4);
  t.deepEqual(decodeHelloReply(new Uint8Array(0)), { result: undefined });
  t.is(encodeHelloReply({ result: undefined }).length, 0);
  const maybe: unknown = { result: { kind: 'maybe' } };
  t.throws(() => Reflect.apply(encodeHelloReply, undefined, [maybe]), { code: 'INVALID_ARGUMENT' });
});

test('an empty Negotiated inside a HelloReply is a result', (t) => {
  t.is(decodeHelloReply(fromHex('0a00')).result?.kind, 'negotiated');
  t.is(toHex(encodeHelloReply({ result: { kind: 'negotiated', negotiated: {} } })), '0a00');
});

test('the last of two results in one HelloReply counts', (t) => {
  t.is(decodeHelloReply(fromHex('0a00 1200')).result?.kind, 'refused');
  t.is(decodeHelloReply(fromHex('1200 0a00')).result?.kind, 'negotiated');
});

test('a map accepts any key, also names of Object.prototype', (t) => {
  const keys = ['__proto__', 'constructor', 'toString', ''];
  const details = Object.fromEntries(keys.map((key) => [key, `value of ${key}`]));
  const decoded = decodeRefused(encodeRefused({ details })).details;
  t.deepEqual(Object.entries(decoded), Object.entries(details));
  t.is(Object.getPrototypeOf(decoded), Object.prototype);
});

test('the decoder rejects a message with invalid UTF-8 at any length and in any place (W-25)', (t) => {
  const invalid = ['ff', 'c3', 'c0af', 'eda080', 'f4908080', '80'];
  for (const sequence of invalid) {
    for (const before of [0, 7, 63, 64, 200]) {
      const value = Buffer.concat([Buffer.alloc(before, 0x61), fromHex(sequence)]);
      const length = value.length < 0x80 ? [value.length] : [(value.length & 0x7f) | 0x80, value.length >> 7];
      const where = `${sequence} after ${before} bytes`;
      const traceparent = Buffer.concat([Uint8Array.of(0x42, ...length), value]);
      t.throws(() => decodeFrame(traceparent), { code: 'DECODE_FRAME' }, where);
      const warning = Buffer.concat([Uint8Array.of(0x22, ...length), value]);
      t.throws(() => decodeNegotiated(warning), { code: 'DECODE_FRAME' }, where);
    }
  }
  const inReply = { code: 'DECODE_HELLO_REPLY' } as const;
  t.throws(() => decodeHelloReply(fromHex('0a03 1201ff')), inReply, 'in a nested message');
  t.throws(() => decodeRefused(fromHex('2a05 0a01ff 1200')), inReply, 'in a key of a map');
  t.throws(() => decodeRefused(fromHex('2a05 0a00 1201ff')), inReply, 'in a value of a map');
});

test('a byte order mark is a character like any other', (t) => {
  for (const rest of ['', 'a'.repeat(100)]) {
    const body = `\ufeff${rest}`;
    t.is(decodeAdminReply(encodeAdminReply({ body })).body, body);
  }
});

/** Field 21, unknown everywhere, as a group in a group in a group. */
function nestedGroups(depth: number): Uint8Array {
  return fromHex('ab01'.repeat(depth) + 'ac01'.repeat(depth));
}

test('the decoder rejects nesting deeper than 100 levels, also in skipped fields (W-25)', (t) => {
  t.notThrows(() => decodeHello(nestedGroups(100)));
  t.throws(() => decodeHello(nestedGroups(102)), { code: 'DECODE_FRAME', message: /depth/ });
});

test('decode errors name the message and keep the cause (E-06, E-07)', (t) => {
  const truncated = fromHex('0a');
  const cases = [
    [decodeFrame, 'DECODE_FRAME', /^failed to decode Frame body: ./],
    [decodeHelloReply, 'DECODE_HELLO_REPLY', /^failed to decode HelloReply: ./],
    [decodeAdminReply, 'DECODE_ADMIN_REPLY', /^failed to decode AdminReply: ./],
    [decodeHello, 'DECODE_FRAME', /^failed to decode Hello: ./],
    [decodeHandoffOffer, 'DECODE_FRAME', /^failed to decode HandoffOffer: ./],
  ] as const;
  for (const [decode, code, message] of cases) {
    const error = t.throws(() => decode(truncated), { instanceOf: BrokerPoolError, code, message });
    t.true(error.cause instanceof Error);
  }
});

test('decoded bytes are copies that keep nothing else alive', (t) => {
  const body = Buffer.concat([
    Buffer.alloc(4096),
    encodeFrameBody({ payload: Uint8Array.of(1, 2, 3) }),
  ]).subarray(4096);
  const { payload } = decodeFrame(body);
  body.fill(0);
  t.deepEqual(payload, Uint8Array.of(1, 2, 3));
  t.is(payload.buffer.byteLength, 3);
});

test('encoded bytes have an ArrayBuffer of their own', (t) => {
  for (const encoded of [encodeHello({ serviceName: 'a' }), encodeFrameToWire({ requestId: 1n })]) {
    t.is(encoded.buffer.byteLength, encoded.length);
    t.is(Object.getPrototypeOf(encoded), Uint8Array.prototype);
  }
});

test('encodeFrameToWire rejects a Frame above 16 MiB before it copies the payload (W-09)', (t) => {
  const message = /^frame body too large: \d+ bytes exceeds cap 16777216$/;
  const expected = { code: 'FRAME_TOO_LARGE', message } as const;
  t.throws(() => encodeFrameToWire({ payload: new Uint8Array(MAX_FRAME_BYTES + 1) }), expected);
  t.throws(() => encodeFrameToWire({ payload: new Uint8Array(MAX_FRAME_BYTES) }), expected);
  // One byte for the tag and four for the length come with the payload.
  t.is(encodeFrameToWire({ payload: new Uint8Array(MAX_FRAME_BYTES - 5) }).length, 5 + MAX_FRAME_BYTES);
});

const unencodable: readonly (readonly [string, (message: object) => Uint8Array, object, string])[] = [
  [
    'a negative u32',
    encodeHello,
    { peerPid: -1 },
    'Hello.peerPid must be an integer from 0 to 4294967295, not -1',
  ],
  ['a u32 of 33 bits', encodeHello, { peerPid: 2 ** 32 }, 'not 4294967296'],
  ['a fraction', encodeHello, { peerPid: 1.5 }, 'not 1.5'],
  ['NaN', encodeHello, { peerPid: Number.NaN }, 'not NaN'],
  ['a u32 as text', encodeHello, { peerPid: '1' }, 'Hello.peerPid'],
  [
    'a negative u64',
    encodeHello,
    { connectionId: -1n },
    'Hello.connectionId must be a bigint from 0 to 18446744073709551615, not -1',
  ],
  ['a u64 of 65 bits', encodeHello, { connectionId: 2n ** 64n }, 'not 18446744073709551616'],
  ['a u64 as a number', encodeHello, { connectionId: 1 }, 'Hello.connectionId must be a bigint'],
  [
    'an enum of 33 bits',
    encodeAdminRequest,
    { verb: 2 ** 31 },
    'AdminRequest.verb must be a 32-bit integer, not 2147483648',
  ],
  ['an enum by name', encodeAdminRequest, { verb: 'STATUS' }, 'AdminRequest.verb'],
  ['a boolish flag', encodeAdminRequest, { json: 1 }, 'AdminRequest.json must be a boolean'],
  ['a null string', encodeHello, { serviceName: null }, 'Hello.serviceName must be a string, not null'],
  [
    'half a surrogate pair',
    encodeHello,
    { serviceName: 'a\ud800b' },
    'Hello.serviceName must be well-formed Unicode',
  ],
  ['bytes as text', encodeHello, { authToken: 'AAEC' }, 'Hello.authToken must be a Uint8Array'],
  ['a list that is none', encodeNegotiated, { warnings: 'w' }, 'Negotiated.warnings must be an array'],
  [
    'an item of a list',
    encodeNegotiated,
    { warnings: ['w', 1] },
    'Negotiated.warnings[1] must be a string, not 1',
  ],
  ['a map that is none', encodeRefused, { details: null }, 'Refused.details must be an object, not null'],
  ['a map as text', encodeRefused, { details: 'd' }, 'Refused.details must be an object, not d'],
  [
    'a nested message that is none',
    encodeDaemonProcess,
    { ipcEndpoint: null },
    'DaemonProcess.ipcEndpoint must be an object, not null',
  ],
  [
    'a nested message as text',
    encodeDaemonProcess,
    { ipcEndpoint: '/b' },
    'DaemonProcess.ipcEndpoint must be an object, not /b',
  ],
  [
    'a value of a map',
    encodeServiceDefinition,
    { labels: { a: 1 } },
    'ServiceDefinition.labels.a must be a string, not 1',
  ],
  [
    'a key of a map',
    encodeRefused,
    { details: { '\udc00': '' } },
    'a key of Refused.details must be well-formed Unicode',
  ],
  [
    'a field of a nested message',
    encodeDaemonProcess,
    { ipcEndpoint: { path: 1 } },
    'DaemonProcess.ipcEndpoint.path must',
  ],
  [
    'a present value that is out of range',
    encodeDaemonProcess,
    { idleTimeoutSecs: -1 },
    'DaemonProcess.idleTimeoutSecs',
  ],
];

for (const [what, encode, message, expected] of unencodable) {
  test(`encoders reject what they could only bend: ${what}`, (t) => {
    const error = t.throws(() => encode(message), { instanceOf: BrokerPoolError, code: 'INVALID_ARGUMENT' });
    t.true(error.message.includes(expected), error.message);
  });
}
