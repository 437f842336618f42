import { markAsUntransferable } from 'node:worker_threads';

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

/** How a payload is taken out of the bytes in which it lies from `start` to `end`. */
export type TakePayload = (bytes: Uint8Array, start: number, end: number) => Uint8Array;

/** A view, for as long as nothing changes the bytes. */
export const lentPayload: TakePayload = (bytes, start, end) => bytes.subarray(start, end);

/** V8 keeps shorter arrays in its own heap, where a copy costs a tenth. */
const SHORTEST_SHARED_BYTES = 65;
/** How many copies share memory: each fills a quarter of it. */
const COPIES = 4;
/** The memory of the last copies, and how much of it is taken. */
let shared = new ArrayBuffer(0);
let sharedBytes = 0;

/**
 * The payload for a caller that may keep it: it fills at least a quarter of the memory that it keeps alive. That is a
 * view of `bytes`, or a copy: a small payload must not keep a whole read of the socket in memory.
 */
export const ownPayload: TakePayload = (bytes, start, end) => {
  const length = end - start;
  if (length * COPIES >= bytes.buffer.byteLength)
    return new Uint8Array(bytes.buffer, bytes.byteOffset + start, length);
  // The slice of a Buffer is a view.
  if (length < SHORTEST_SHARED_BYTES && !Buffer.isBuffer(bytes)) return bytes.slice(start, end);
  const copy = sharedMemory(length);
  copy.set(bytes.subarray(start, end));
  return copy;
};

/** To allocate memory for each copy of 1 KiB takes ten times as long as to copy it. */
function sharedMemory(length: number): Uint8Array {
  if (sharedBytes + length > shared.byteLength || shared.byteLength > length * COPIES) {
    shared = Buffer.allocUnsafeSlow(length * COPIES).buffer;
    // A caller that transferred its copy would take the others along.
    markAsUntransferable(shared);
    sharedBytes = 0;
  }
  const memory = new Uint8Array(shared, sharedBytes, length);
  sharedBytes += length;
  return memory;
}
