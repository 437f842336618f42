import type { BrokerPoolError } from '../../errors.js';
import { RefusalCode } from '../../wire/messages.js';

/** First pause where the broker names none. It doubles with each attempt. */
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 5_000;
/** Callers told to come back at the same time must not all do so. */
const JITTER = 0.1;
/**
 * A launching broker starts a backend three times in 30 s (V-82); one that launches none keeps saying that
 * there is none (V-86).
 */
const ATTEMPTS_WITHOUT_BACKEND = 3;

/**
 * How long to wait before trying a failed connect again, in milliseconds; `undefined` when it is not tried
 * again.
 *
 * @param attempt counts from 1
 * @param random a number in [0, 1)
 * @param mostAttempts the pool's `retry.attempts`; `undefined` for the default of each failure
 */
export function retryDelayMs(
  error: BrokerPoolError,
  attempt: number,
  random: number,
  mostAttempts?: number,
): number | undefined {
  if (attempt >= attemptsAllowed(error, mostAttempts)) return undefined;
  const ownPauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), LONGEST_PAUSE_MS);
  return Math.max(error.retryAfterMs ?? 0, ownPauseMs) * (1 + JITTER * random);
}

/** How often a connect may be tried in all that fails like this; 1 for failures that are final. */
export function attemptsAllowed(error: BrokerPoolError, mostAttempts?: number): number {
  switch (error.code) {
    case 'REFUSED':
      if (!passingRefusals.has(error.refusalCode ?? 0)) return 1;
      return (
        mostAttempts ??
        (error.refusalCode === RefusalCode.BACKEND_SPAWN_FAILED ? ATTEMPTS_WITHOUT_BACKEND : Infinity)
      );
    // An end without a reply is ambiguous, and a Hello may be repeated: once.
    case 'UNEXPECTED_EOF':
    // The broker notices a dead backend at the next Hello and starts a new one (V-88): once.
    case 'BACKEND_CONNECT':
      return Math.min(2, mostAttempts ?? 2);
    default:
      return 1;
  }
}

/**
 * Refusals that pass by themselves. The kinds lump some of them together with others, so the codes count
 * (X-24).
 */
const passingRefusals: ReadonlySet<number> = new Set([
  RefusalCode.BACKEND_SPAWN_FAILED,
  RefusalCode.RATE_LIMITED,
  RefusalCode.SHUTTING_DOWN,
  RefusalCode.FD_PRESSURE,
]);
