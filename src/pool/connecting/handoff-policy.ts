import type { Clock } from '../../clock.js';

/**
 * Failures in a row after which no handoff is waited for: each of them may have cost the whole ready timeout.
 */
const FAILURES_TO_OPEN = 3;
/** How long the breaker stays open before one connect tries again; it doubles with each try that fails. */
const FIRST_OPEN_MS = 30_000;
const LONGEST_OPEN_MS = 600_000;
/** `auto`: connects by each route before the two are compared. */
const SAMPLES_TO_COMPARE = 3;
/**
 * `auto`: when the slower route gets another chance. The span doubles with each one that it does not use, up
 * to {@link LONGEST_OPEN_MS}.
 */
const LOOK_AGAIN_MS = 60_000;
/** The weight of the newest sample in a route's average. */
const NEWEST_WEIGHT = 0.2;

/** The outcome of one negotiation, as far as handoffs go. */
export interface HandoffResult {
  /** Whether the ready event was waited for. */
  readonly waited: boolean;
  /** Whether the broker had offered a handoff at all. */
  readonly offered: boolean;
  readonly adopted: boolean;
  readonly durationMs: number;
}

/** The mean duration of one route, the newest samples weighing most. */
class Average {
  samples = 0;
  valueMs = 0;

  add(durationMs: number): void {
    this.valueMs =
      this.samples === 0 ? durationMs : this.valueMs + NEWEST_WEIGHT * (durationMs - this.valueMs);
    this.samples += 1;
  }
}

/**
 * Decides for each negotiation of a target whether to wait for the handoff; its Hello asks for one only then.
 * A breaker gives up on a backend that never adopts; with `auto` the route that has measured faster is taken.
 */
export class HandoffPolicy {
  readonly #mode: true | 'auto';
  readonly #clock: Clock;
  readonly #adopting = new Average();
  readonly #reconnecting = new Average();
  #downgradesInRow = 0;
  #stillbornInRow = 0;
  #openUntilMs = 0;
  #openForMs = FIRST_OPEN_MS;
  #lookAgainAtMs = 0;
  #lookAgainAfterMs = LOOK_AGAIN_MS;
  /** The route that was faster at the last look. */
  #adoptingWasFaster: boolean | undefined;

  constructor(mode: true | 'auto', clock: Clock) {
    this.#mode = mode;
    this.#clock = clock;
  }

  /** Whether the next negotiation should wait for the handoff. */
  shouldWait(): boolean {
    const nowMs = this.#clock.now();
    if (this.#failuresInRow >= FAILURES_TO_OPEN) {
      if (nowMs < this.#openUntilMs) return false;
      // Half open: this one tries, and the others do not wait with it.
      this.#openUntilMs = nowMs + this.#openForMs;
      return true;
    }
    return this.#mode === true || this.#isWorthIt(nowMs);
  }

  /** Learns from a negotiation that ended in a connection. */
  learn({ waited, offered, adopted, durationMs }: HandoffResult): void {
    if (!waited) {
      this.#reconnecting.add(durationMs);
      return;
    }
    if (!offered) return;
    // A downgrade counts with all that it cost: that is what waiting for this backend means.
    this.#adopting.add(durationMs);
    if (adopted) {
      this.#downgradesInRow = 0;
      return;
    }
    this.#downgradesInRow += 1;
    this.#onFailure();
  }

  /**
   * Learns from how an adopted connection ended. A ready event does not prove that a backend took over: where
   * it did not, the connection ends without a word.
   */
  onClosed(backendSpoke: boolean, diedByItself: boolean): void {
    // C-48: only bytes of the backend prove that it took over.
    if (backendSpoke) {
      this.#stillbornInRow = 0;
      this.#openForMs = FIRST_OPEN_MS;
    } else if (diedByItself) {
      this.#stillbornInRow += 1;
      this.#onFailure();
    }
  }

  get #failuresInRow(): number {
    return this.#downgradesInRow + this.#stillbornInRow;
  }

  #isWorthIt(nowMs: number): boolean {
    if (this.#adopting.samples < SAMPLES_TO_COMPARE) return true;
    if (this.#reconnecting.samples < SAMPLES_TO_COMPARE) return false;
    const adoptingIsFaster = this.#adopting.valueMs < this.#reconnecting.valueMs;
    if (adoptingIsFaster !== this.#adoptingWasFaster) {
      this.#adoptingWasFaster = adoptingIsFaster;
      this.#lookAgainAfterMs = LOOK_AGAIN_MS;
      this.#lookAgainAtMs = nowMs + LOOK_AGAIN_MS;
    }
    if (nowMs < this.#lookAgainAtMs) return adoptingIsFaster;
    this.#lookAgainAfterMs = Math.min(this.#lookAgainAfterMs * 2, LONGEST_OPEN_MS);
    this.#lookAgainAtMs = nowMs + this.#lookAgainAfterMs;
    return !adoptingIsFaster;
  }

  #onFailure(): void {
    const failures = this.#failuresInRow;
    if (failures > FAILURES_TO_OPEN) this.#openForMs = Math.min(this.#openForMs * 2, LONGEST_OPEN_MS);
    this.#openUntilMs = this.#clock.now() + this.#openForMs;
  }
}
