import { outOfContext } from '../../async-context.js';
import { printable } from '../../errors.js';
import { warnProcess } from '../../process-warning.js';

let warned = false;

/**
 * Warns, once in a process, that there is no wait thread. Everything works without it; many negotiations at a
 * time cost the event loop more.
 */
export function warnOfMissingThread(reason: string): void {
  if (warned) return;
  warned = true;
  outOfContext(() =>
    warnProcess(
      'BROKER_POOL_NO_THREAD',
      `the wait thread cannot be used, the event loop waits instead: ${printable(reason)}`,
    ),
  );
}
