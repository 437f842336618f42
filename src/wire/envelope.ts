import { invalidArgument } from '../errors.js';
import { defineMessage } from './codec.js';
import type { Message } from './field-table.js';
import { allocateFrame, checkBodyLength, FRAME_HEADER_BYTES } from './frame.js';

/** Version of the envelope and of the negotiated protocol; a different number from the framing byte. */
export const PROTOCOL_VERSION = 1;

/** The part a frame plays. No known peer sends CANCEL. */
export const FrameKind = { REQUEST: 0, RESPONSE: 1, EVENT: 2, CANCEL: 3 } as const;
/** A number of {@link FrameKind}. */
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

/** How a payload is packed. Peers of protocol v1 accept NONE alone. */
export const PayloadEncoding = { NONE: 0, ZSTD: 1, SNAPPY: 2, LZ4: 3 } as const;
/** A number of {@link PayloadEncoding}. */
export type PayloadEncoding = (typeof PayloadEncoding)[keyof typeof PayloadEncoding];

/** Registered values of `Frame.payloadProtocol`: the kind of a frame's payload. */
export const PayloadProtocol = {
  /** Hello and HelloReply. */
  CONTROL: 0x0000,
  /** AdminRequest and AdminReply. */
  ADMIN: 0xad01,
  /** The identity probe: a nonce, answered by the nonce and a DaemonProcess. */
  IDENTITY_PROBE: 0xb232,
  /** HandoffOffer and HandoffAck. */
  HANDOFF: 0xd0ff,
  /** Registered for a session proxy, but not reserved against consumers. */
  SESSION: 0x5350,
  ZCCACHE: 0x7a63,
  CLUD: 0x7c4c,
  FBUILD: 0x7eb1,
} as const;

// The fields of W-30, kinds and encodings of W-31, trace context of W-64.
const FRAME = {
  /** {@link PROTOCOL_VERSION}. */
  envelopeVersion: 'u32',
  /** A {@link FrameKind}; unknown numbers survive decoding. */
  kind: 'enum',
  /** The protocol of the payload: a {@link PayloadProtocol} or a consumer's own id. */
  payloadProtocol: 'u32',
  payload: 'bytes',
  /** Chosen by the sender of the request, repeated in the response. */
  requestId: 'u64',
  /** A {@link PayloadEncoding}; unknown numbers survive decoding. */
  payloadEncoding: 'enum',
  /** Milliseconds since the Unix epoch; no known peer sets or reads it. */
  deadlineUnixMs: 'u64',
  /** W3C trace context, repeated in the response. */
  traceparent: 'string',
  tracestate: 'string',
} as const;

/** The envelope around every message. */
export interface Frame extends Message<typeof FRAME> {}

const codec = defineMessage('Frame', FRAME, { what: 'Frame body' });

/**
 * The body of a frame: an encoded Frame message without the header of the wire.
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT` for a value that its field cannot hold.
 */
export const encodeFrameBody: (frame: Partial<Frame>) => Uint8Array = codec.encode;

/**
 * Decodes the body of a frame.
 *
 * @throws {BrokerPoolError} `DECODE_FRAME` when it is not a Frame, with protobufjs's error as the cause.
 */
export const decodeFrame: (body: Uint8Array) => Frame = codec.decode;

/**
 * A Frame message as it goes over the wire: header and body in one buffer, with one copy less than
 * `encodeFrame(encodeFrameBody(frame))`.
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT` for a value that its field cannot hold; `FRAME_TOO_LARGE` for
 * a body above 16 MiB.
 */
export function encodeFrameToWire(frame: Partial<Frame>): Uint8Array {
  // The payload is nearly all of a large body: do not copy it first to find that it is too long.
  checkBodyLength(frame.payload?.length ?? 0);
  const writer = codec.write(frame);
  return writer.finishInto(allocateFrame(writer.pos), FRAME_HEADER_BYTES);
}

/** The fields of a request that its answer repeats. */
export interface AnsweredRequest<Id> {
  readonly payloadProtocol: number;
  readonly requestId: Id;
  readonly traceparent: string;
  readonly tracestate: string;
}

/** The answer to a request: it repeats protocol, id and trace context. */
export function responseTo<Id>(
  request: AnsweredRequest<Id>,
  payload: Uint8Array,
): AnsweredRequest<Id> & Pick<Frame, 'envelopeVersion' | 'kind' | 'payload'> {
  const { payloadProtocol, requestId, traceparent, tracestate } = request;
  return {
    envelopeVersion: PROTOCOL_VERSION,
    kind: FrameKind.RESPONSE,
    payloadProtocol,
    payload,
    requestId,
    traceparent,
    tracestate,
  };
}

/** The conditions for reading a frame any further. */
export interface ExpectedEnvelope {
  readonly kind: FrameKind;
  /** A {@link PayloadProtocol} or a consumer's own id. */
  readonly protocol: number;
}

const PROTOCOL_LABELS: ReadonlyMap<number, string> = new Map([
  [PayloadProtocol.CONTROL, 'control-plane'],
  [PayloadProtocol.ADMIN, 'admin'],
  [PayloadProtocol.HANDOFF, 'handoff'],
]);

const KIND_LABELS: ReadonlyMap<number, string> = new Map(
  Object.entries(FrameKind).map(([label, kind]) => [kind, label]),
);

/**
 * The first fault of a frame's envelope, in upstream's words; `undefined` if it has none. The order of the
 * checks is part of the protocol: envelope version, kind, payload protocol, encoding.
 */
export function checkEnvelope(frame: Frame, expected: ExpectedEnvelope): string | undefined {
  // The order of W-50. Client (W-52) and handoff (W-53) differ only in what they expect. Kinds and encodings
  // that v1 does not know fail here (W-23).
  if (frame.envelopeVersion !== PROTOCOL_VERSION) return 'envelope_version is not v1';
  if (frame.kind !== expected.kind) return `kind is not ${KIND_LABELS.get(expected.kind) ?? expected.kind}`;
  if (frame.payloadProtocol !== expected.protocol) {
    return `payload_protocol is not ${PROTOCOL_LABELS.get(expected.protocol) ?? formatProtocol(expected.protocol)}`;
  }
  if (frame.payloadEncoding !== PayloadEncoding.NONE) return 'payload is compressed';
  return undefined;
}

/** The ids that frames of the broker protocol itself use; no consumer may declare them. */
export const FIRST_PARTY_PROTOCOLS: ReadonlySet<number> = new Set([
  // W-61: without SESSION.
  PayloadProtocol.CONTROL,
  PayloadProtocol.ADMIN,
  PayloadProtocol.IDENTITY_PROBE,
  PayloadProtocol.HANDOFF,
]);

/** A payload protocol the way upstream prints it: `0xAD01`. */
export function formatProtocol(id: number): string {
  return `0x${id.toString(16).toUpperCase().padStart(4, '0')}`;
}

/**
 * Checks an id under which a service and its clients exchange their own frames, and returns it: 0x7000 to
 * 0x7EFF for registered consumers, 0xF000 to 0xFFFF for private use.
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT` when the broker protocol uses the id itself, or it lies
 * outside both ranges.
 */
export function declareConsumerProtocol(id: number): number {
  if (FIRST_PARTY_PROTOCOLS.has(id)) {
    throw invalidArgument('payloadProtocol', `${formatProtocol(id)} belongs to the broker protocol`);
  }
  // W-62, W-63: the two ranges that are free for services.
  const inConsumerRange = id >= 0x7000 && id <= 0x7eff;
  const inPrivateRange = id >= 0xf000 && id <= 0xffff;
  if (!Number.isInteger(id) || !(inConsumerRange || inPrivateRange)) {
    const ranges = 'the consumer range (0x7000 to 0x7EFF) and the private range (0xF000 to 0xFFFF)';
    throw invalidArgument('payloadProtocol', `${formatProtocol(id)} lies outside ${ranges}`);
  }
  return id;
}
