import type { BrokerPoolError } from '../errors.js';
import { acquireTimeoutError } from './acquire-errors.js';
import type { Waiter } from './acquire-queue.js';
import type { Pump } from './pump.js';

/** Fails one caller that waits. */
export function failWaiter(pump: Pump, waiter: Waiter, failure: BrokerPoolError): void {
  pump.queue.fail(waiter, failure, false, pump.snapshot());
  pump.run();
}

/** Fails the callers whose time is up by `dueByMs`. */
export function expire(pump: Pump, dueByMs: number): void {
  const { queue } = pump;
  const expired = queue.sweep(dueByMs);
  for (const waiter of expired) {
    // The end of one waiter may have been the end of others.
    if (!queue.includes(waiter)) continue;
    queue.timeouts += 1;
    queue.fail(waiter, timeoutError(pump, waiter.terms.timeoutMs), false, pump.snapshot());
  }
  if (expired.length > 0) pump.run();
}

/** The error of a caller whose time is up, with what the caller has waited for. */
export function timeoutError({ closer, entries, limits, opener }: Pump, timeoutMs: number): BrokerPoolError {
  const validates = entries.reserved > closer.draining;
  const phase = opener.phase(limits.mayOpen) ?? (validates ? 'validate' : 'queue');
  return acquireTimeoutError(timeoutMs, phase, opener.lastError);
}
