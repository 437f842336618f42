import type { Clock } from '../clock.js';

/** When something happened: the time of its turn, one object for all of the turn. */
export interface CachedTime {
  ms: number;
}

/**
 * The time of the current turn of the event loop, read once. Asking the system for the time costs as much as
 * a whole lease, and a pool that serves thousands of callers in one turn would ask thousands of times.
 *
 * What happens late in a long turn bears the time of the turn's beginning, until the turn is over: then all
 * of it is dated to the end, so that no wait that began in it is taken for longer than it is.
 */
export class CachedClock {
  readonly #clock: Clock;
  readonly #onEnd: (nowMs: number) => void;
  #time: CachedTime | undefined;
  #cancelEnd: (() => void) | undefined;

  /** @param onEnd is told the time when a turn ends that was busy */
  constructor(clock: Clock, onEnd: (nowMs: number) => void) {
    this.#clock = clock;
    this.#onEnd = onEnd;
  }

  /** The time of this turn, on the clock's scale. */
  time(): CachedTime {
    if (this.#time !== undefined) return this.#time;
    this.#time = { ms: this.#clock.now() };
    this.markBusy();
    return this.#time;
  }

  /** The same in milliseconds. */
  now(): number {
    return this.time().ms;
  }

  /** Has `onEnd` called when this turn ends. */
  markBusy(): void {
    this.#cancelEnd ??= this.#clock.afterTurn(() => this.end());
  }

  /**
   * Ends the turn now: a timer runs in a phase of its own, and must not judge by an old time.
   */
  end(): void {
    this.#cancelEnd?.();
    this.#cancelEnd = undefined;
    const nowMs = this.#clock.now();
    if (this.#time !== undefined) this.#time.ms = nowMs;
    this.#time = undefined;
    this.#onEnd(nowMs);
  }

  stop(): void {
    this.#cancelEnd?.();
    this.#cancelEnd = undefined;
    this.#time = undefined;
  }
}
