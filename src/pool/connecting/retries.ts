import pRetry from 'p-retry';
import { onAbort } from '../../abort.js';
import type { Clock } from '../../clock.js';
import { BrokerPoolError, fieldsOf, type ErrorDetails } from '../../errors.js';
import { isUnanswered, onRoom, roomWithinMs } from '../../negotiation/sockets/broker-requests.js';
import type { ConnectRequest } from './connect-request.js';
import { attemptsAllowed, retryDelayMs } from './retry-policy.js';

/** An attempt that has failed and is tried again. */
export interface FailedAttempt {
  readonly error: BrokerPoolError;
  /** The number of the attempt; the first is 1. */
  readonly attempt: number;
  readonly delayMs: number;
  /** Begins the pause, and resolves at its end. */
  readonly pause: () => Promise<void>;
}

/** Waits for the pause and a place. Resolves with whether to try again. */
export type BeforeRetry = (failed: FailedAttempt) => Promise<boolean>;

/** More attempts than any deadline allows: it is the deadline that ends them. */
const MOST_RETRIES = 1_000;

/**
 * Tries connects again that have failed in a way that passes, with pauses between, for as long as a caller waits
 * that can still be served.
 */
export class Retries {
  readonly #clock: Clock;
  readonly #mostAttempts: number | undefined;
  readonly #closing: AbortSignal;
  /** The functions that end the pauses of connects under way, by target. */
  readonly #pauses = new Map<string, Set<() => void>>();

  /**
   * @param mostAttempts of one connect; `undefined` for the default of each failure
   * @param closing ends all pauses and attempts
   */
  constructor(clock: Clock, mostAttempts: number | undefined, closing: AbortSignal) {
    this.#clock = clock;
    this.#mostAttempts = mostAttempts;
    this.#closing = closing;
  }

  /**
   * The attempts after the first, which the caller makes: nearly every connect succeeds at once, and p-retry
   * costs more than the rest of a connect. It is loaded with the pool: a process without descriptors, which must
   * try again, could not load it.
   */
  async run<T>(
    { key, waiters }: ConnectRequest,
    startedMs: number,
    beforeRetry: BeforeRetry,
    firstError: unknown,
    tryAgain: () => Promise<T>,
  ): Promise<T> {
    const pauseOrGiveUp = async (error: unknown, attempt: number): Promise<void> => {
      if (!(error instanceof BrokerPoolError)) throw error;
      const nowMs = this.#clock.now();
      const { wantedUntilMs } = waiters;
      const delayMs = this.#delayMs(error, attempt);
      const tries = { attempts: attempt, elapsedMs: Math.round(nowMs - startedMs) };
      if (delayMs === undefined) throw gaveUp(error, tries, this.#whyNoMore(error));
      if (wantedUntilMs <= nowMs) throw gaveUp(error, tries, undefined);
      // A silent broker may speak again at any time: waiting for it is worth all the caller's time.
      if (nowMs + delayMs >= wantedUntilMs && !isUnanswered(error)) {
        const dueIn = `which is due in ${Math.round(delayMs)} ms`;
        const why = `no caller has time for the next attempt, ${dueIn}: give acquire more time`;
        throw gaveUp(error, tries, why);
      }
      const pause = (): Promise<void> => this.#pause(key, delayMs, error);
      const isWanted = await beforeRetry({ error, attempt, delayMs, pause });
      this.#closing.throwIfAborted();
      if (!isWanted) throw gaveUp(error, tries, undefined);
    };
    await pauseOrGiveUp(firstError, 1);
    return await pRetry(tryAgain, {
      retries: MOST_RETRIES,
      minTimeout: 0,
      maxTimeout: 0,
      signal: this.#closing,
      onFailedAttempt: async ({ error, attemptNumber }) => {
        await pauseOrGiveUp(error, attemptNumber + 1);
      },
    });
  }

  /** Ends the pauses of a target's connects: they try again at once. */
  retryNow(key: string): void {
    for (const end of this.#pauses.get(key) ?? []) end();
  }

  #delayMs(error: BrokerPoolError, attempt: number): number | undefined {
    if (!isUnanswered(error)) return retryDelayMs(error, attempt, this.#clock.random(), this.#mostAttempts);
    // The longest it can be: it ends as soon as the broker answers one request.
    return attempt < (this.#mostAttempts ?? Infinity) ? roomWithinMs(error.endpoint ?? '') : undefined;
  }

  #whyNoMore(error: BrokerPoolError): string | undefined {
    const allowed = attemptsAllowed(error, Infinity);
    if (allowed <= 2) return undefined;
    const limit =
      this.#mostAttempts === undefined
        ? 'the pool makes no more attempts by default'
        : 'retry allows no more attempts';
    return `${limit}: give retry.attempts to have more`;
  }

  #pause(key: string, delayMs: number, error: BrokerPoolError): Promise<void> {
    const pauses = this.#pauses.get(key) ?? new Set();
    this.#pauses.set(key, pauses);
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        stopListening();
        takeAway();
        pauses.delete(end);
        if (pauses.size === 0) this.#pauses.delete(key);
        resolve();
      };
      pauses.add(end);
      // Unref'd: the timer of the callers who wait keeps the process alive.
      const cancel = this.#clock.schedule(delayMs, end);
      const stopListening = onAbort(this.#closing, end);
      const takeAway =
        isUnanswered(error) && error.endpoint !== undefined ? onRoom(error.endpoint, end) : () => {};
    });
  }
}

/** The error of a connect that is not tried again. Final failures stay as they are. */
function gaveUp(
  error: BrokerPoolError,
  tries: Pick<ErrorDetails, 'attempts' | 'elapsedMs'>,
  why: string | undefined,
): BrokerPoolError {
  if (tries.attempts === 1 && why === undefined) return error;
  const message = why === undefined ? error.message : `${error.message}; ${why}`;
  return new BrokerPoolError(error.code, message, { ...fieldsOf(error), ...tries, cause: error.cause });
}
