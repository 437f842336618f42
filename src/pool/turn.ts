import type { Clock } from '../clock.js';

/**
 * The time of the current turn of the event loop, read once. Asking the system for the time costs as much as a whole lease, and a
 * pool that serves thousands of callers in one turn would ask thousands of times.
 *
 * So what happens late in a long turn bears the time of its beginning. `onEnd` learns how long the turn was, and can make good
 * what must not come too early.
 */
export class Turn {
  readonly #clock: Clock;
  readonly #onEnd: (startedMs: number | undefined, nowMs: number) => void;
  #startedMs: number | undefined;
  #cancelEnd: (() => void) | undefined;

  /** @param onEnd is told when the turn ends: the time that `now` gave in it, if it was asked, and the time by then */
  constructor(clock: Clock, onEnd: (startedMs: number | undefined, nowMs: number) => void) {
    this.#clock = clock;
    this.#onEnd = onEnd;
  }

  /** Milliseconds on the clock's scale, the same throughout a turn. */
  now(): number {
    if (this.#startedMs !== undefined) return this.#startedMs;
    this.#startedMs = this.#clock.now();
    this.markBusy();
    return this.#startedMs;
  }

  /** Has `onEnd` called when this turn ends. */
  markBusy(): void {
    this.#cancelEnd ??= this.#clock.afterTurn(() => this.#end());
  }

  /** Ends the turn before its end: a timer may be due in the turn in which it was set. */
  endNow(): void {
    if (this.#cancelEnd === undefined) return;
    this.#cancelEnd();
    this.#end();
  }

  stop(): void {
    this.#cancelEnd?.();
    this.#cancelEnd = undefined;
    this.#startedMs = undefined;
  }

  #end(): void {
    const startedMs = this.#startedMs;
    this.#startedMs = undefined;
    this.#cancelEnd = undefined;
    this.#onEnd(startedMs, this.#clock.now());
  }
}
