import { failOnAbort } from '../abort.js';
import type { Clock } from '../clock.js';
import type { BrokerPoolError } from '../errors.js';
import { ABORTED } from './acquire-errors.js';

/** The callers of `warm` that wait. All resolve when the target is warm, or reject with the same error. */
export class WarmUps {
  readonly #clock: Clock;
  readonly #waiting = new Set<(error?: BrokerPoolError) => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wait(
    timeoutMs: number,
    signal: AbortSignal | undefined,
    timeoutError: () => BrokerPoolError,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      let stopListening = (): void => {};
      const end = (error?: BrokerPoolError): void => {
        this.#waiting.delete(end);
        timer.cancel();
        stopListening();
        if (error === undefined) resolve();
        else reject(error);
      };
      const timer = this.#clock.deadline(timeoutMs, () => end(timeoutError()), true);
      this.#waiting.add(end);
      if (signal === undefined) return;
      stopListening = failOnAbort(signal, ABORTED, end);
      if (!this.#waiting.has(end)) stopListening();
    });
  }

  /** Ends all waits; with an error, as failed. */
  endAll(error?: BrokerPoolError): void {
    for (const end of this.#waiting) end(error);
  }
}
