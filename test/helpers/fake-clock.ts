import type { Clock, Deadline } from '../../src/clock.js';

interface SetTimer {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
  keepsAlive: boolean;
}

/** Time that passes only when it is told to, so that a test of minutes takes none. */
export class FakeClock implements Clock {
  nowMs = 1_000;
  /** All timers that were due by then have run. */
  ranUntilMs = 1_000;
  /** The result of `random`. */
  chance: () => number;
  readonly #timers = new Set<SetTimer>();
  readonly #turnEnds = new Set<() => void>();
  #order = 0;

  constructor(chance: () => number = () => 0) {
    this.chance = chance;
  }

  now(): number {
    return this.nowMs;
  }

  random(): number {
    return this.chance();
  }

  schedule(delayMs: number, callback: () => void, keepAlive = false): () => void {
    const timer = this.#set(delayMs, callback, keepAlive);
    return () => this.#timers.delete(timer);
  }

  deadline(delayMs: number, callback: (dueByMs: number) => void, keepAlive = false): Deadline {
    const timer = this.#set(delayMs, () => callback(this.nowMs), keepAlive);
    return {
      cancel: () => this.#timers.delete(timer),
      keepAlive: (isWanted) => (timer.keepsAlive = isWanted),
    };
  }

  afterTurn(callback: () => void): () => void {
    this.#turnEnds.add(callback);
    return () => this.#turnEnds.delete(callback);
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Whether one of them would keep the process alive. */
  get keepsAlive(): boolean {
    return [...this.#timers].some(({ keepsAlive }) => keepsAlive);
  }

  /** Ends the turn of the event loop. */
  endTurn(): void {
    for (const callback of Array.from(this.#turnEnds)) {
      this.#turnEnds.delete(callback);
      callback();
    }
  }

  /**
   * Ends the turn and lets time pass; each timer that comes due on the way runs at its time, in a turn of its
   * own.
   */
  advance(durationMs: number): void {
    this.endTurn();
    const endMs = this.nowMs + durationMs;
    for (let timer = this.#next(endMs); timer !== undefined; timer = this.#next(endMs)) {
      this.#timers.delete(timer);
      this.nowMs = Math.max(this.nowMs, timer.dueMs);
      timer.callback();
      this.endTurn();
    }
    this.nowMs = endMs;
    this.ranUntilMs = endMs;
  }

  #set(delayMs: number, callback: () => void, keepsAlive: boolean): SetTimer {
    const dueMs = this.nowMs + Math.max(0, Math.ceil(delayMs));
    const timer = { dueMs, order: this.#order++, callback, keepsAlive };
    this.#timers.add(timer);
    return timer;
  }

  #next(endMs: number): SetTimer | undefined {
    const due = [...this.#timers].filter(({ dueMs }) => dueMs <= endMs);
    return due.toSorted((a, b) => a.dueMs - b.dueMs || a.order - b.order)[0];
  }
}
