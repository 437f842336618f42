import { loadNative } from './native.js';

const POLLIN = 0x1;
const POLLHUP = 0x10;
/** `struct pollfd`: descriptor i32, wanted events i16, returned events i16. */
const RETURNED_AT = 6;

const entry = new DataView(new ArrayBuffer(8));
const entryBytes = new Uint8Array(entry.buffer);

/**
 * Whether the peer of a Unix socket has closed it, rather than ended only its own side: to Node both are an end
 * of the stream. False where the C library cannot be reached.
 */
export function hasHungUp(descriptor: number): boolean {
  const polling = descriptor < 0 ? undefined : loadNative()?.polling;
  if (polling === undefined) return false;
  entry.setInt32(0, descriptor, true);
  entry.setInt16(4, POLLIN, true);
  entry.setInt16(RETURNED_AT, 0, true);
  return polling.poll(entryBytes, 1, 0) > 0 && (entry.getInt16(RETURNED_AT, true) & POLLHUP) !== 0;
}
