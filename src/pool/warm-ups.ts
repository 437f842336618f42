import { onAbort } from '../abort.js';
import type { Clock } from '../clock.js';
import type { BrokerPoolError } from '../errors.js';
import { abortedError, brokenSignalError } from './acquire-errors.js';

interface WarmUp {
  end(error?: BrokerPoolError): void;
}

/** The callers of `warm` that wait. All resolve when the target is warm, or reject with the same error. */
export class WarmUps {
  readonly #clock: Clock;
  readonly #waiting = new Set<WarmUp>();

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
      const warmUp: WarmUp = {
        end: (error) => {
          this.#waiting.delete(warmUp);
          timer.cancel();
          stopListening();
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      const timer = this.#clock.deadline(timeoutMs, () => warmUp.end(timeoutError()), true);
      this.#waiting.add(warmUp);
      if (signal === undefined) return;
      try {
        stopListening = onAbort(signal, () => warmUp.end(abortedError(signal)));
      } catch (error) {
        return warmUp.end(brokenSignalError(error));
      }
      if (!this.#waiting.has(warmUp)) stopListening();
    });
  }

  /** Ends all waits; with an error, as failed. */
  endAll(error?: BrokerPoolError): void {
    for (const warmUp of this.#waiting) warmUp.end(error);
  }
}
