import type { Clock, Deadline } from '../clock.js';

/**
 * The one timer for all deadlines of a target pool: callers that wait, connections that age, leases that may
 * leak. It is set to the earliest; when it fires, the pool asks each part for what is due, and sets it again.
 *
 * Unref'd unless a caller waits: an idle pool must not keep the process alive.
 */
export class PoolTimer {
  /** When it fires; a field, since each caller that begins to wait reads it. */
  dueMs = Infinity;
  readonly #clock: Clock;
  readonly #onDue: (dueByMs: number) => void;
  #deadline: Deadline | undefined;
  #isKeptAlive = false;

  /** @param onDue gets the time of `Clock.deadline`: what was due by then could have been read */
  constructor(clock: Clock, onDue: (dueByMs: number) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** Moves the timer forward. A later time changes nothing: it then fires in vain once. */
  set(dueMs: number): void {
    if (dueMs >= this.dueMs) return;
    this.#deadline?.cancel();
    this.dueMs = dueMs;
    this.#deadline = this.#clock.deadline(
      dueMs - this.#clock.now(),
      (dueByMs) => {
        this.dueMs = Infinity;
        this.#deadline = undefined;
        this.#onDue(dueByMs);
      },
      this.#isKeptAlive,
    );
  }

  /** Whether it keeps the process alive, from now on. */
  keepAlive(isWanted: boolean): void {
    this.#isKeptAlive = isWanted;
    this.#deadline?.keepAlive(isWanted);
  }

  /** The target has no connections: without a caller that waits, nothing is left to become due. */
  cancelUnlessKeptAlive(): void {
    if (!this.#isKeptAlive) this.cancel();
  }

  cancel(): void {
    this.#deadline?.cancel();
    this.#deadline = undefined;
    this.dueMs = Infinity;
  }
}
