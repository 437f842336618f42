import { ThreadRing } from '../../src/os/io-uring.js';
import type { Native } from '../../src/os/native.js';

/** Whether the kernel grants an io_uring. */
export function hasRing(native: Native | undefined): boolean {
  if (native?.binder === undefined || process.platform !== 'linux') return false;
  const ring = new ThreadRing(native.binder, native.system);
  // No descriptor has this number: the connect fails, but it is the ring that says so.
  const result = ring.connectAndSend(-1, new Uint8Array(2), new Uint8Array(1));
  ring.close();
  return result !== undefined;
}
