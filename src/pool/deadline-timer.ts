import type { Clock, Deadline } from '../clock.js';
import { DeadlineQueue, type Timed } from '../deadline-queue.js';

/**
 * One timer for many deadlines. Removing an item leaves the timer alone, which then finds nothing due: most
 * items are removed long before they are due, and setting a timer costs more than the rest of their life.
 */
export class DeadlineTimer<T extends Timed> {
  readonly #clock: Clock;
  readonly #onDue: (item: T, dueByMs: number) => void;
  readonly #queue = new DeadlineQueue<T>();
  #timer: Deadline | undefined;
  #timerDueMs = Infinity;

  /** @param onDue gets an item that is due and no longer in the queue; it may put the item back */
  constructor(clock: Clock, onDue: (item: T, dueByMs: number) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** Adds an item, or moves one whose `dueMs` has changed. */
  put(item: T): void {
    this.#queue.put(item);
    this.#arm();
  }

  remove(item: T): void {
    this.#queue.remove(item);
  }

  /** Stops until the next item is put. */
  stop(): void {
    this.#timer?.cancel();
    this.#timerDueMs = Infinity;
  }

  #arm(): void {
    const dueMs = this.#queue.nextMs;
    if (dueMs >= this.#timerDueMs) return;
    this.#timer?.cancel();
    this.#timerDueMs = dueMs;
    this.#timer = this.#clock.deadline(dueMs - this.#clock.now(), (dueByMs) => this.#onTimer(dueByMs));
  }

  #onTimer(dueByMs: number): void {
    // While items are due, an item that `onDue` puts back does not arm the timer.
    this.#timerDueMs = -Infinity;
    try {
      for (let item = this.#queue.takeDue(dueByMs); item; item = this.#queue.takeDue(dueByMs))
        this.#onDue(item, dueByMs);
    } finally {
      // Otherwise `onDue` has stopped the timer.
      if (this.#timerDueMs === -Infinity) {
        this.#timerDueMs = Infinity;
        this.#arm();
      }
    }
  }
}
