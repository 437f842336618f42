/**
 * A 64-bit number: a `number` up to `Number.MAX_SAFE_INTEGER`, a `bigint` above. Each value has one form only,
 * so that a `Map` finds a request by its id, and small ids, which are the usual ones, cost no bigint.
 */
export type Uint64 = number | bigint;

/** A frame of the data plane, decoded. Fields that are not on the wire are 0 or empty. */
export interface FrameView {
  /** 1 in protocol v1. */
  readonly envelopeVersion: number;
  /** 0 request, 1 response, 2 event, 3 cancel; unknown numbers survive decoding. */
  readonly kind: number;
  readonly payloadProtocol: number;
  /** A view of the bytes that were read, see `FrameReader.push`. */
  readonly payload: Uint8Array;
  readonly requestId: Uint64;
  /** 0 is an unpacked payload; unknown numbers survive decoding. */
  readonly payloadEncoding: number;
  /** Milliseconds since the Unix epoch. */
  readonly deadlineUnixMs: Uint64;
  readonly traceparent: string;
  readonly tracestate: string;
}

/** The one form of a number, see {@link Uint64}. */
export function uint64(value: bigint): Uint64 {
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

/** Takes a payload out of the bytes in which it lies from `start` to `end`. */
export type TakePayload = (bytes: Uint8Array, start: number, end: number) => Uint8Array;

/** A view, for as long as nothing changes the bytes. */
export const lentPayload: TakePayload = (bytes, start, end) => bytes.subarray(start, end);
