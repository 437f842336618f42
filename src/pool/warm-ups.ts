import { abortable } from '../abort.js';
import type { Clock } from '../clock.js';
import type { BrokerPoolError } from '../errors.js';
import { ACQUIRE_ABORTED } from './acquire-errors.js';

/** The callers of `warm` that wait. All resolve when the target is warm, or reject with the same error. */
export class WarmUps {
  readonly #clock: Clock;
  readonly #waiting = new Set<(error?: BrokerPoolError) => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async wait(
    timeoutMs: number,
    signal: AbortSignal | undefined,
    timeoutError: () => BrokerPoolError,
  ): Promise<void> {
    const failure = await abortable<BrokerPoolError | undefined>(signal, ACQUIRE_ABORTED, (settle) => {
      const end = (error?: BrokerPoolError): void => {
        this.#waiting.delete(end);
        timer.cancel();
        settle(error);
      };
      const timer = this.#clock.deadline(timeoutMs, () => end(timeoutError()), true);
      this.#waiting.add(end);
      return end;
    });
    if (failure !== undefined) throw failure;
  }

  /** Ends all waits; with an error, as failed. */
  endAll(error?: BrokerPoolError): void {
    for (const end of this.#waiting) end(error);
  }
}
