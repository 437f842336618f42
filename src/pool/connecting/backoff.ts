import type { Clock } from '../../clock.js';

const FIRST_PAUSE_MS = 100;
/** The longest pause, in milliseconds. */
export const LONGEST_PAUSE_MS = 5_000;
/** Many processes lose their backend at the same moment, and must not all come back at the same moment. */
const JITTER = 0.5;

/**
 * Pauses between connects that fail in a row. Each is twice as long as the one before, up to five seconds,
 * less up to a half by chance.
 */
export class Backoff {
  readonly #clock: Clock;
  readonly #onOver: () => void;
  #failures = 0;
  #cancel: (() => void) | undefined;

  /** @param onOver is called when a pause is over */
  constructor(clock: Clock, onOver: () => void) {
    this.#clock = clock;
    this.#onOver = onOver;
  }

  get pausing(): boolean {
    return this.#cancel !== undefined;
  }

  /** Counts a failure and begins a pause of at least `atLeastMs`, unless there is one already. */
  onFailure(atLeastMs = 0): void {
    this.#failures += 1;
    if (this.#cancel !== undefined) return;
    const fullMs = Math.min(FIRST_PAUSE_MS * 2 ** (this.#failures - 1), LONGEST_PAUSE_MS);
    const pauseMs = fullMs * (1 - JITTER * this.#clock.random());
    this.#cancel = this.#clock.schedule(Math.max(pauseMs, atLeastMs), () => {
      this.#cancel = undefined;
      this.#onOver();
    });
  }

  /** Connecting works again. */
  reset(): void {
    this.#failures = 0;
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
