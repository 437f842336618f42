import { throwIfAborted } from '../abort.js';
import type { Clock } from '../clock.js';
import type { BrokerPoolError } from '../errors.js';
import { ABORTED, asPoolError, callerError } from './acquire-errors.js';
import type { ConnectionOpener } from './connecting/connection-opener.js';
import type { Pump } from './pump.js';

/** Resolves when `min` connections are open, and keeps as many from now on. Rejects when one cannot open. */
export async function warmUp(
  pump: Pump,
  opener: ConnectionOpener,
  clock: Clock,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  timeoutError: (timeoutMs: number) => BrokerPoolError,
): Promise<void> {
  const startedMs = clock.now();
  const attemptsBefore = opener.attempts.ended;
  let timeUp = false;
  try {
    throwIfAborted(signal, ABORTED);
    const warm = pump.keepMinimum(timeoutMs, signal, () => {
      timeUp = true;
      return timeoutError(timeoutMs);
    });
    if (warm !== undefined) await warm;
  } catch (error) {
    const failure = asPoolError(error);
    const isShared = !timeUp && failure.code !== 'ABORTED' && failure.code !== 'POOL_CLOSED';
    throw callerError(failure, isShared, opener.snapshot(), attemptsBefore, clock.now() - startedMs);
  }
}
