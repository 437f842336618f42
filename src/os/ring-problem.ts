import { isSwitchedOff } from '../process-warning.js';
import { ringOf } from './io-uring.js';
import type { Native } from './native.js';
import { addressOf } from './socket.js';

/** A descriptor that no process has. */
const NONE = -1;

/** Why this thread has no io_uring; `undefined` where it has one. */
export function ringProblem(native: Native): string | undefined {
  const ring = ringOf(native);
  if (ring === undefined)
    return isSwitchedOff('BROKER_POOL_IO_URING') ? 'BROKER_POOL_IO_URING is 0' : 'this platform has none';
  // Only a ring reports the failure of this connect; without one there is no report.
  const result = ring.connectAndSend(NONE, addressOf('/'), new Uint8Array(1));
  ring.close();
  return result === undefined ? 'the kernel is too old for it, or forbids it' : undefined;
}
