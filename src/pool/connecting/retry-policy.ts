import type { BrokerPoolError } from '../../errors.js';
import { RefusalCode } from '../../wire/messages.js';

/** First pause where the broker names none. It doubles with each attempt. */
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 5_000;
/** Callers told to come back at the same time must not all do so. */
const JITTER = 0.1;

/**
 * How long to wait before trying a failed connect again, in milliseconds; `undefined` when trying again is no use.
 *
 * @param attempt counts from 1
 * @param random a number in [0, 1)
 */
export function retryDelayMs(error: BrokerPoolError, attempt: number, random: number): number | undefined {
  const pauseMs = pauseAfter(error, attempt);
  return pauseMs === undefined ? undefined : pauseMs * (1 + JITTER * random);
}

function pauseAfter(error: BrokerPoolError, attempt: number): number | undefined {
  const ownPauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), LONGEST_PAUSE_MS);
  switch (error.code) {
    case 'REFUSED':
      return passingRefusals.has(error.refusalCode ?? 0) ? Math.max(error.retryAfterMs ?? 0, ownPauseMs) : undefined;
    // An end without a reply is ambiguous, and a Hello may be repeated: once.
    case 'UNEXPECTED_EOF':
    // The broker notices a dead backend at the next Hello and starts a new one (V-88): once.
    case 'BACKEND_CONNECT':
      return attempt === 1 ? ownPauseMs : undefined;
    default:
      return undefined;
  }
}

/** Refusals that pass by themselves. The kinds lump some of them together with others, so the codes count. */
const passingRefusals: ReadonlySet<number> = new Set([
  RefusalCode.BACKEND_SPAWN_FAILED,
  RefusalCode.RATE_LIMITED,
  RefusalCode.SHUTTING_DOWN,
  RefusalCode.FD_PRESSURE,
]);
