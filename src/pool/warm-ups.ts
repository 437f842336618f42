import { onAbort } from '../abort.js';
import type { Clock } from '../clock.js';
import type { BrokerPoolError } from '../errors.js';
import { abortedError } from './acquire-errors.js';

interface WarmUp {
  end(error?: BrokerPoolError): void;
}

/** Those who wait until a target is warm. They share one fate: warm, or why not. */
export class WarmUps {
  readonly #clock: Clock;
  readonly #waiting = new Set<WarmUp>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wait(timeoutMs: number, signal: AbortSignal | undefined, timeoutError: () => BrokerPoolError): Promise<void> {
    return new Promise((resolve, reject) => {
      const warmUp: WarmUp = {
        end: (error) => {
          this.#waiting.delete(warmUp);
          cancelTimer();
          stopListening?.();
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      const cancelTimer = this.#clock.schedule(timeoutMs, () => warmUp.end(timeoutError()), true);
      const stopListening = signal && onAbort(signal, () => warmUp.end(abortedError(signal)));
      this.#waiting.add(warmUp);
    });
  }

  /** Ends all waits; with an error, as failed. */
  endAll(error?: BrokerPoolError): void {
    for (const warmUp of this.#waiting) warmUp.end(error);
  }
}
