import { throwIfAborted } from '../abort.js';
import type { Clock } from '../clock.js';
import { ABORTED, asPoolError, callerError } from './acquire-errors.js';
import type { Pump } from './pump.js';
import { timeoutError } from './waiter-failures.js';
import { WarmUps } from './warm-ups.js';

/** Resolves when `min` connections are open, and keeps as many from now on. Rejects when one cannot open. */
export async function warmUp(
  pump: Pump,
  clock: Clock,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { opener } = pump;
  const startedMs = clock.now();
  const attemptsBefore = opener.attempts.ended;
  let timeUp = false;
  try {
    throwIfAborted(signal, ABORTED);
    pump.limits.keepsMinimum = true;
    opener.retryNow();
    if (pump.warm) return;
    pump.warmUps ??= new WarmUps(clock);
    const warm = pump.warmUps.wait(timeoutMs, signal, () => {
      timeUp = true;
      return timeoutError(pump, timeoutMs);
    });
    pump.keepWarm();
    await warm;
  } catch (error) {
    const failure = asPoolError(error);
    const isShared = !timeUp && failure.code !== 'ABORTED' && failure.code !== 'POOL_CLOSED';
    throw callerError(failure, isShared, pump.snapshot(), attemptsBefore, clock.now() - startedMs);
  }
}
