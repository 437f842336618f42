import * as fc from 'fast-check';
import * as messages from '../../src/wire/messages.js';
import { anyText } from '../helpers/any-text.js';
import { decodeRefused, encodeRefused } from './refused.js';

/** One kind of message with everything that tests over all kinds need. */
export interface MessageKind {
  readonly name: string;
  readonly encode: (message: object) => Uint8Array;
  readonly decode: (body: Uint8Array) => object;
  /** Complete messages, as decoding gives them. */
  readonly arbitrary: fc.Arbitrary<object>;
  readonly decodeErrorCode: string;
}

/** Plain objects, as decoding gives them; fast-check otherwise also makes some without a prototype. */
function record<Message>(model: {
  [Key in keyof Message]: fc.Arbitrary<Message[Key]>;
}): fc.Arbitrary<Message> {
  return fc.record(model, { noNullPrototype: true });
}

const u32 = fc.oneof(fc.integer({ min: 0, max: 0xffff_ffff }), fc.constantFrom(0, 1, 127, 128, 0xffff_ffff));
const u64 = fc.oneof(
  fc.bigInt(0n, 2n ** 64n - 1n),
  fc.constantFrom(0n, 1n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n),
);
const openEnum = fc.oneof(fc.integer({ min: 0, max: 25 }), fc.integer());
const text = anyText(200);
const bytes = fc.uint8Array({ maxLength: 300 });
const texts = fc.array(text, { maxLength: 4 });
const textMap = fc.dictionary(fc.oneof(text, fc.constantFrom('constructor', '1')), text, {
  maxKeys: 4,
  noNullPrototype: true,
});
const flag = fc.boolean();

const endpoint = record({ namespaceId: text, path: text });
const negotiated = record({
  negotiatedProtocol: u32,
  daemonVersion: text,
  backendPipe: text,
  warnings: texts,
  serverCapabilities: u64,
  keepaliveIntervalSecs: u64,
  handlePassedToken: bytes,
  connectionId: u64,
});
const refused = record({
  reason: text,
  daemonMinProtocol: u32,
  daemonMaxProtocol: u32,
  code: openEnum,
  details: textMap,
  retryAfterMs: u64,
});

function kind<Encodable, Message extends object>(
  name: string,
  encode: (message: Encodable) => Uint8Array,
  decode: (body: Uint8Array) => Message,
  arbitrary: fc.Arbitrary<Encodable & Message>,
  decodeErrorCode = 'DECODE_FRAME',
): MessageKind {
  return {
    name,
    encode: (message) => Reflect.apply(encode, undefined, [message]),
    decode,
    arbitrary,
    decodeErrorCode,
  };
}

export const ALL_MESSAGES: readonly MessageKind[] = [
  kind(
    'Frame',
    messages.encodeFrameBody,
    messages.decodeFrame,
    record({
      envelopeVersion: u32,
      kind: openEnum,
      payloadProtocol: u32,
      payload: bytes,
      requestId: u64,
      payloadEncoding: openEnum,
      deadlineUnixMs: u64,
      traceparent: text,
      tracestate: text,
    }),
  ),
  kind(
    'Hello',
    messages.encodeHello,
    messages.decodeHello,
    record({
      clientMinProtocol: u32,
      clientMaxProtocol: u32,
      serviceName: text,
      wantedVersion: text,
      clientVersion: text,
      clientCapabilities: u64,
      authToken: bytes,
      requestId: text,
      connectionId: u64,
      peerPid: u32,
      clientLibName: text,
      clientLibVersion: text,
      peerAttestationNonce: bytes,
      capabilityToken: bytes,
      clientKeepaliveSecs: u64,
    }),
  ),
  kind('Negotiated', messages.encodeNegotiated, messages.decodeNegotiated, negotiated),
  kind('Refused', encodeRefused, decodeRefused, refused, 'DECODE_HELLO_REPLY'),
  kind(
    'HelloReply',
    messages.encodeHelloReply,
    messages.decodeHelloReply,
    record({
      result: fc.oneof(
        record({ kind: fc.constant('negotiated' as const), negotiated }),
        record({ kind: fc.constant('refused' as const), refused }),
        fc.constant(undefined),
      ),
    }),
    'DECODE_HELLO_REPLY',
  ),
  kind(
    'HandoffOffer',
    messages.encodeHandoffOffer,
    messages.decodeHandoffOffer,
    record({ handleValue: u64, token: bytes, serviceName: text, correlationId: u64 }),
  ),
  kind(
    'HandoffAck',
    messages.encodeHandoffAck,
    messages.decodeHandoffAck,
    record({ token: bytes, accepted: flag, errorDetail: text, correlationId: u64 }),
  ),
  kind(
    'AdminRequest',
    messages.encodeAdminRequest,
    messages.decodeAdminRequest,
    record({ verb: openEnum, json: flag, serviceName: text, outputPath: text, drainDeadlineMs: u64 }),
  ),
  kind(
    'AdminReply',
    messages.encodeAdminReply,
    messages.decodeAdminReply,
    record({ kind: openEnum, body: text, exitCode: u32, contentType: text }),
    'DECODE_ADMIN_REPLY',
  ),
  kind('Endpoint', messages.encodeEndpoint, messages.decodeEndpoint, endpoint),
  kind(
    'DaemonProcess',
    messages.encodeDaemonProcess,
    messages.decodeDaemonProcess,
    fc.record(
      {
        pid: u32,
        exePath: text,
        ipcEndpoint: endpoint,
        startedAtUnixMs: u64,
        bootId: text,
        idleTimeoutSecs: u32,
        exeHashAlgorithm: text,
        exeHash: bytes,
      },
      {
        requiredKeys: ['pid', 'exePath', 'startedAtUnixMs', 'bootId', 'exeHashAlgorithm', 'exeHash'],
        noNullPrototype: true,
      },
    ),
  ),
  kind(
    'ServiceDefinition',
    messages.encodeServiceDefinition,
    messages.decodeServiceDefinition,
    record({
      serviceName: text,
      binaryPath: text,
      isolation: openEnum,
      explicitInstance: text,
      perVersionBinaryDir: text,
      minVersion: text,
      versionAllowList: texts,
      labels: textMap,
    }),
  ),
];
