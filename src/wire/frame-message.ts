import { defineMessage } from './codec.js';
import { bytes, openEnum, text, u32, u64 } from './fields.js';
import { allocateFrame, checkBodyLength, FRAME_HEADER_BYTES } from './frame.js';

/** Version of the envelope and of the negotiated protocol; a different axis from the framing byte (W-15). */
export const PROTOCOL_VERSION = 1;

/** The part a frame plays (W-31). No known peer sends CANCEL. */
export const FrameKind = { REQUEST: 0, RESPONSE: 1, EVENT: 2, CANCEL: 3 } as const;
/** A number of {@link FrameKind}. */
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

/** How a payload is packed (W-31). Peers of protocol v1 accept NONE alone. */
export const PayloadEncoding = { NONE: 0, ZSTD: 1, SNAPPY: 2, LZ4: 3 } as const;
/** A number of {@link PayloadEncoding}. */
export type PayloadEncoding = (typeof PayloadEncoding)[keyof typeof PayloadEncoding];

/** The envelope around every message (W-30). */
export interface Frame {
  /** {@link PROTOCOL_VERSION}. */
  readonly envelopeVersion: number;
  /** A {@link FrameKind}; unknown numbers survive decoding (W-23). */
  readonly kind: number;
  /** What the payload is: a `PayloadProtocol` or a consumer's own id. */
  readonly payloadProtocol: number;
  readonly payload: Uint8Array;
  /** Chosen by the asker, repeated in the answer. */
  readonly requestId: bigint;
  /** A {@link PayloadEncoding}; unknown numbers survive decoding (W-23). */
  readonly payloadEncoding: number;
  /** Milliseconds since the Unix epoch; no known peer sets or reads it (W-65). */
  readonly deadlineUnixMs: bigint;
  /** W3C trace context, repeated in the answer (W-64). */
  readonly traceparent: string;
  readonly tracestate: string;
}

const codec = defineMessage<Frame, 'Frame'>(
  'Frame',
  {
    envelopeVersion: u32,
    kind: openEnum,
    payloadProtocol: u32,
    payload: bytes,
    requestId: u64,
    payloadEncoding: openEnum,
    deadlineUnixMs: u64,
    traceparent: text,
    tracestate: text,
  },
  { what: 'Frame body' },
);

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
 * A Frame message as it goes over the wire: header and body in one buffer (W-01), with one copy less than
 * `encodeFrame(encodeFrameBody(frame))`.
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT` for a value that its field cannot hold; `FRAME_TOO_LARGE` for
 * a body above 16 MiB (W-09).
 */
export function encodeFrameToWire(frame: Partial<Frame>): Uint8Array {
  // The payload is nearly all of a large body: do not copy it first to find that it is too long.
  checkBodyLength(frame.payload?.length ?? 0);
  const writer = codec.write(frame);
  return writer.finishInto(allocateFrame(writer.pos), FRAME_HEADER_BYTES);
}
