import pRetry from 'p-retry';
import { onAbort } from '../../abort.js';
import type { Clock } from '../../clock.js';
import { BrokerPoolError } from '../../errors.js';
import { retryDelayMs } from './retry-policy.js';

/** A connect, as its retries see it. */
export interface RetryRequest {
  /** Of its target. */
  readonly key: string;
  /** Until when somebody waits for a connection, on the monotonic clock. A retry that would come later is not made. */
  wantedUntilMs(): number;
  /** An attempt has failed that is tried again after a pause: nobody may hear of the whole connect's failure for a while. */
  onAttemptFailed(error: BrokerPoolError): void;
}

/** More attempts than any deadline allows: it is the deadline that ends them. */
const MOST_RETRIES = 1_000;

/** Tries connects again that have failed in a way that passes, with pauses between, for as long as somebody waits who can still be served. */
export class Retries {
  readonly #clock: Clock;
  readonly #closing: AbortSignal;
  /** What ends the pauses of connects under way, by target. */
  readonly #pauses = new Map<string, Set<() => void>>();

  /** @param closing ends all pauses, and gives up what is tried */
  constructor(clock: Clock, closing: AbortSignal) {
    this.#clock = clock;
    this.#closing = closing;
  }

  /**
   * What comes after a first attempt that has failed; that one is the caller's, since p-retry costs more than the rest of a connect, and
   * nearly every connect succeeds at once.
   */
  async run<T>(request: RetryRequest, firstError: unknown, attempt: () => Promise<T>): Promise<T> {
    await this.#pauseOrGiveUp(request, firstError, 1);
    return await pRetry(attempt, {
      retries: MOST_RETRIES,
      minTimeout: 0,
      maxTimeout: 0,
      signal: this.#closing,
      onFailedAttempt: async ({ error, attemptNumber }) => {
        await this.#pauseOrGiveUp(request, error, attemptNumber + 1);
      },
    });
  }

  /** Ends the pauses of a target's connects: they try again at once. */
  retryNow(key: string): void {
    for (const end of this.#pauses.get(key) ?? []) end();
  }

  async #pauseOrGiveUp(request: RetryRequest, error: unknown, attempt: number): Promise<void> {
    if (!(error instanceof BrokerPoolError)) throw error;
    const delayMs = retryDelayMs(error, attempt, this.#clock.random());
    if (delayMs === undefined || this.#clock.now() + delayMs >= request.wantedUntilMs()) throw error;
    request.onAttemptFailed(error);
    await this.#pause(request.key, delayMs);
  }

  #pause(key: string, delayMs: number): Promise<void> {
    const pauses = this.#pauses.get(key) ?? new Set();
    this.#pauses.set(key, pauses);
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        stopListening();
        pauses.delete(end);
        if (pauses.size === 0) this.#pauses.delete(key);
        resolve();
      };
      pauses.add(end);
      const cancel = this.#clock.schedule(delayMs, end, true);
      const stopListening = onAbort(this.#closing, end);
    });
  }
}
