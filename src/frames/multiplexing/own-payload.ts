import { markAsUntransferable } from 'node:worker_threads';
import type { TakePayload } from '../codec/frame-view.js';

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
