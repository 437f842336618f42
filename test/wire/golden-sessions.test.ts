import test from '../helpers/sanitary.js';
import { BrokerPoolError } from '../../src/errors.js';
import { checkEnvelope } from '../../src/wire/envelope.js';
import { FrameDecoder, MAX_FRAME_BYTES } from '../../src/wire/frame.js';
import {
  decodeDaemonProcess,
  decodeFrame,
  decodeHandoffAck,
  decodeHandoffOffer,
  decodeServiceDefinition,
  encodeDaemonProcess,
  encodeFrameToWire,
  encodeHandoffAck,
  encodeHandoffOffer,
  encodeServiceDefinition,
  FrameKind,
  PayloadProtocol,
  PROBE_NONCE_BYTES,
  PROTOCOL_VERSION,
  type Frame,
} from '../../src/wire/messages.js';
import { messageFromGolden } from './golden.js';
import { goldenRequests, goldenSessions } from './golden-sessions.js';
import { fromHex, toHex } from './hex.js';

const NOTHING = new Uint8Array(0);

function framesIn(hex: string): Frame[] {
  const decoder = new FrameDecoder();
  decoder.push(fromHex(hex));
  const frames: Frame[] = [];
  for (let body = decoder.read(); body !== undefined; body = decoder.read()) frames.push(decodeFrame(body));
  return frames;
}

function onlyFrameIn(hex: string): Frame {
  const [frame, ...others] = framesIn(hex);
  if (frame === undefined || others.length > 0) throw new Error(`not exactly one frame: ${hex}`);
  return frame;
}

function wireOf(frame: Partial<Frame>): string {
  return toHex(encodeFrameToWire({ envelopeVersion: PROTOCOL_VERSION, ...frame }));
}

for (const golden of goldenRequests) {
  const { name, requestId, payload, traceparent, tracestate, deadlineUnixMs, request, response } = golden;
  const common = {
    payloadProtocol: goldenSessions.protocol,
    payload,
    requestId,
    payloadEncoding: 0,
    traceparent,
    tracestate,
  };
  const asked = { ...common, envelopeVersion: 1, kind: FrameKind.REQUEST, deadlineUnixMs };
  const answered = { ...common, envelopeVersion: 1, kind: FrameKind.RESPONSE, deadlineUnixMs: 0n };

  test(`a request with ${name} has the bytes of the Rust crate (S-44, S-52, S-58)`, (t) => {
    t.is(wireOf(asked), toHex(request));
    t.deepEqual(onlyFrameIn(toHex(request)), asked);
  });

  test(`the answer to a request with ${name} has the bytes of the Rust crate (S-56, S-73)`, (t) => {
    t.is(wireOf(answered), toHex(response));
    t.deepEqual(onlyFrameIn(toHex(response)), answered);
  });
}

test('the longest payloads fit, and not one byte more (S-50, S-51)', (t) => {
  const { limits, protocol } = goldenSessions;
  t.is(limits.frameBodyBytes, MAX_FRAME_BYTES);
  const ids = { id1: 1n, id128: 128n, idMax: 2n ** 64n - 1n };
  for (const kind of [FrameKind.REQUEST, FrameKind.RESPONSE]) {
    const longest = kind === FrameKind.REQUEST ? limits.requestPayloadBytes : limits.responsePayloadBytes;
    for (const [name, requestId] of Object.entries(ids)) {
      const bytes: unknown = Reflect.get(longest, name);
      if (typeof bytes !== 'number') throw new Error(`no limit for ${name}`);
      const frame = { envelopeVersion: 1, kind, payloadProtocol: protocol, requestId };
      const fits = encodeFrameToWire({ ...frame, payload: new Uint8Array(bytes) });
      t.is(fits.length, 5 + MAX_FRAME_BYTES);
      t.throws(() => encodeFrameToWire({ ...frame, payload: new Uint8Array(bytes + 1) }), {
        instanceOf: BrokerPoolError,
        code: 'FRAME_TOO_LARGE',
      });
    }
  }
});

for (const { client, bytes } of goldenSessions.conversations) {
  test(`${client} sends requests with the ids 1, 2, 3 and nothing before them (S-40, S-44, S-52)`, (t) => {
    for (const [index, { requestHex, responseHex }] of bytes.entries()) {
      const request = onlyFrameIn(requestHex);
      t.is(request.requestId, BigInt(index + 1));
      t.is(wireOf(request), requestHex);
      const { payload, payloadProtocol, requestId } = request;
      t.is(wireOf({ kind: FrameKind.RESPONSE, payloadProtocol, payload, requestId }), responseHex);
    }
  });
}

for (const { name, sentHex, receivedHex, restHex, end } of goldenSessions.mux) {
  test(`the mux's answer to ${name} has our encoding (S-71 to S-76, P-21 to P-23)`, (t) => {
    t.is(framesIn(receivedHex).map(wireOf).join(''), receivedHex);
    t.true(sentHex.endsWith(restHex));
    // One answer each for what the mux has taken.
    const taken = framesIn(sentHex.slice(0, sentHex.length - restHex.length));
    const answers = framesIn(receivedHex);
    t.deepEqual(
      answers.map(({ requestId, payloadProtocol, traceparent, tracestate }) => {
        return { requestId, payloadProtocol, traceparent, tracestate };
      }),
      taken.map(({ requestId, payloadProtocol, traceparent, tracestate }) => {
        return { requestId, payloadProtocol, traceparent, tracestate };
      }),
    );
    if (end !== 'closed') return;
    t.not(restHex, '', 'a fatal frame is not consumed');
  });
}

for (const { nonceHex, requestHex } of goldenSessions.probes) {
  test(`a probe with the nonce ${nonceHex.slice(0, 8)}… has our encoding (P-20)`, (t) => {
    const nonce = fromHex(nonceHex);
    const requestId = Buffer.from(nonce).readBigUInt64LE();
    t.is(wireOf({ payloadProtocol: PayloadProtocol.IDENTITY_PROBE, payload: nonce, requestId }), requestHex);
  });
}

for (const { name, payloadHex, identity } of goldenSessions.probeAnswers) {
  // What the crate refuses is for a prober to refuse, and no matter of the codec.
  if (identity === undefined) continue;
  test(`the identity in a probe's answer, ${name}, is read as the crate reads it (P-22)`, (t) => {
    const read = decodeDaemonProcess(fromHex(payloadHex).subarray(PROBE_NONCE_BYTES));
    t.deepEqual(read, messageFromGolden(identity, decodeDaemonProcess(NOTHING)));
    t.true(payloadHex.slice(2 * PROBE_NONCE_BYTES).startsWith(toHex(encodeDaemonProcess(read))));
  });
}

for (const { name, hex, value } of goldenSessions.serviceDefinitions) {
  test(`a service definition, ${name}, has the bytes of the crate's builder (D-20)`, (t) => {
    const read = decodeServiceDefinition(fromHex(hex));
    t.deepEqual(read, messageFromGolden(value, decodeServiceDefinition(NOTHING)));
    t.is(toHex(encodeServiceDefinition(read)), hex);
  });
}

for (const { name, frameHex, offer, error } of goldenSessions.offers) {
  test(`a handoff offer, ${name}: ${error === undefined ? 'is read' : 'is refused'} as by the crate (H-32)`, (t) => {
    const expected = offer && messageFromGolden(offer, decodeHandoffOffer(NOTHING));
    t.deepEqual(readOffer(frameHex), expected);
  });
}

/** The checks of H-32 with the parts of src/wire. */
function readOffer(frameHex: string): object | undefined {
  try {
    const frame = onlyFrameIn(frameHex);
    const expected = { kind: FrameKind.REQUEST, protocol: PayloadProtocol.HANDOFF };
    if (checkEnvelope(frame, expected) !== undefined) return undefined;
    const offer = decodeHandoffOffer(frame.payload);
    return offer.correlationId === frame.requestId ? offer : undefined;
  } catch {
    return undefined;
  }
}

test('a handoff offer has the bytes of the crate', (t) => {
  const built = goldenSessions.offers.find(({ name }) => name === 'as the crate builds it');
  const offer = decodeHandoffOffer(onlyFrameIn(built?.frameHex ?? '').payload);
  const requestId = offer.correlationId;
  const payload = encodeHandoffOffer(offer);
  const wire = wireOf({ payloadProtocol: PayloadProtocol.HANDOFF, payload, requestId });
  t.deepEqual([wire], [built?.frameHex]);
});

for (const golden of goldenSessions.acks) {
  const { name, presentedHex, accepted, errorDetail, ackHex, readyHex } = golden;

  test(`the acknowledgement of ${name} has the bytes of the crate (H-31)`, (t) => {
    const correlationId = BigInt(golden.correlationId);
    const ack = { token: fromHex(presentedHex), accepted, errorDetail, correlationId };
    const envelope = { payloadProtocol: PayloadProtocol.HANDOFF, requestId: correlationId };
    const payload = encodeHandoffAck(ack);
    t.is(wireOf({ ...envelope, kind: FrameKind.RESPONSE, payload }), ackHex);
    t.deepEqual(decodeHandoffAck(onlyFrameIn(ackHex).payload), ack);
    if (readyHex !== null) t.is(wireOf({ ...envelope, kind: FrameKind.EVENT, payload }), readyHex);
  });
}
