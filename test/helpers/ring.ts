import type { Native } from '../../src/os/native.js';
import { SubmissionRing } from '../../src/os/submission-ring.js';

/** Whether the kernel grants an io_uring. Always false once io_uring is removed, see src/os/io-uring.ts. */
export function hasRing(native: Native | undefined): boolean {
  const ring = native?.binder && SubmissionRing.open(native.binder, native.system);
  if (ring instanceof SubmissionRing) ring.close();
  return ring instanceof SubmissionRing;
}
