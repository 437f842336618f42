import test from '../helpers/sanitary.js';
import * as fc from 'fast-check';
import { checkEnvelope, type ExpectedEnvelope } from '../../src/wire/envelope.js';
import {
  decodeFrame,
  FrameKind,
  PayloadEncoding,
  PayloadProtocol,
  type Frame,
} from '../../src/wire/messages.js';

const helloReply: ExpectedEnvelope = { kind: FrameKind.RESPONSE, protocol: PayloadProtocol.CONTROL };
const ready: ExpectedEnvelope = { kind: FrameKind.EVENT, protocol: PayloadProtocol.HANDOFF };
const offer: ExpectedEnvelope = { kind: FrameKind.REQUEST, protocol: PayloadProtocol.HANDOFF };
const ack: ExpectedEnvelope = { kind: FrameKind.RESPONSE, protocol: PayloadProtocol.HANDOFF };
const adminReply: ExpectedEnvelope = { kind: FrameKind.RESPONSE, protocol: PayloadProtocol.ADMIN };
const consumer: ExpectedEnvelope = { kind: FrameKind.RESPONSE, protocol: PayloadProtocol.ZCCACHE };

function frame(expected: ExpectedEnvelope, changes: Partial<Frame> = {}): Frame {
  const { kind, protocol: payloadProtocol } = expected;
  return { ...decodeFrame(new Uint8Array(0)), envelopeVersion: 1, kind, payloadProtocol, ...changes };
}

test('checkEnvelope accepts a frame that matches the expected envelope', (t) => {
  for (const expected of [helloReply, ready, offer, ack, adminReply, consumer]) {
    t.is(checkEnvelope(frame(expected), expected), undefined);
  }
});

const cases: readonly (readonly [ExpectedEnvelope, Partial<Frame>, string])[] = [
  [helloReply, { envelopeVersion: 2 }, 'envelope_version is not v1'],
  [helloReply, { kind: FrameKind.REQUEST }, 'kind is not RESPONSE'],
  [ready, { kind: FrameKind.RESPONSE }, 'kind is not EVENT'],
  [offer, { kind: FrameKind.EVENT }, 'kind is not REQUEST'],
  [ack, { kind: 99 }, 'kind is not RESPONSE'],
  [helloReply, { payloadProtocol: PayloadProtocol.ADMIN }, 'payload_protocol is not control-plane'],
  [adminReply, { payloadProtocol: PayloadProtocol.CONTROL }, 'payload_protocol is not admin'],
  [ready, { payloadProtocol: PayloadProtocol.CONTROL }, 'payload_protocol is not handoff'],
  [consumer, { payloadProtocol: PayloadProtocol.CONTROL }, 'payload_protocol is not 0x7A63'],
  [helloReply, { payloadEncoding: PayloadEncoding.ZSTD }, 'payload is compressed'],
  [ready, { payloadEncoding: 99 }, 'payload is compressed'],
];

for (const [expected, changes, problem] of cases) {
  test(`${JSON.stringify(changes)} where ${JSON.stringify(expected)} was expected: ${problem} (W-52, W-53)`, (t) => {
    t.is(checkEnvelope(frame(expected, changes), expected), problem);
  });
}

test('checkEnvelope reports the first problem in the order version, kind, protocol, encoding (W-50)', (t) => {
  const checks: readonly (readonly [Partial<Frame>, string])[] = [
    [{ envelopeVersion: 0 }, 'envelope_version is not v1'],
    [{ kind: 99 }, 'kind is not EVENT'],
    [{ payloadProtocol: 1 }, 'payload_protocol is not handoff'],
    [{ payloadEncoding: 1 }, 'payload is compressed'],
  ];
  t.notThrows(() => {
    fc.assert(
      fc.property(fc.subarray(checks.map((_, index) => index)), (wrong) => {
        const changes = Object.assign({}, ...wrong.map((index) => checks[index]?.[0]));
        return checkEnvelope(frame(ready, changes), ready) === checks[wrong[0] ?? -1]?.[1];
      }),
    );
  });
});

test('checkEnvelope rejects an empty frame body for its version (W-51)', (t) => {
  t.is(checkEnvelope(decodeFrame(new Uint8Array(0)), offer), 'envelope_version is not v1');
});
