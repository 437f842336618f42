import { SharedTimer, type Clock } from './clock.js';

/** An item that must be looked at again at a certain time. */
export interface Timed {
  /** On the monotonic clock. */
  dueMs: number;
  /** Where the item stands in its queue; owned by {@link DeadlineQueue}. -1: in none. */
  queueIndex: number;
}

/**
 * A binary heap by due time whose items know their places, so that each is moved or removed in O(log n): with
 * thousands of stuck waits the others must not pay for a scan.
 */
export class DeadlineQueue<T extends Timed> {
  readonly #heap: T[] = [];

  /** When the first item is due; `Infinity` without items. */
  get nextMs(): number {
    return this.#heap[0]?.dueMs ?? Infinity;
  }

  /** Adds an item, or finds the new place of one whose `dueMs` has changed. */
  put(item: T): void {
    if (item.queueIndex < 0) {
      item.queueIndex = this.#heap.length;
      this.#heap.push(item);
    }
    this.#settle(item);
  }

  remove(item: T): void {
    const index = item.queueIndex;
    if (index < 0) return;
    item.queueIndex = -1;
    const last = this.#heap.pop();
    if (last === undefined || last === item) return;
    last.queueIndex = index;
    this.#heap[index] = last;
    this.#settle(last);
  }

  /** Takes out the first item that is due by `nowMs`. */
  takeDue(nowMs: number): T | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.dueMs > nowMs) return undefined;
    this.remove(first);
    return first;
  }

  #settle(item: T): void {
    while (item.queueIndex > 0) {
      const parent = this.#heap[(item.queueIndex - 1) >> 1];
      if (parent === undefined || parent.dueMs <= item.dueMs) break;
      this.#swap(item, parent);
    }
    for (;;) {
      const left = this.#heap[item.queueIndex * 2 + 1];
      const right = this.#heap[item.queueIndex * 2 + 2];
      if (left === undefined) return;
      const child = right !== undefined && right.dueMs < left.dueMs ? right : left;
      if (child.dueMs >= item.dueMs) return;
      this.#swap(child, item);
    }
  }

  #swap(a: T, b: T): void {
    const index = a.queueIndex;
    a.queueIndex = b.queueIndex;
    b.queueIndex = index;
    this.#heap[a.queueIndex] = a;
    this.#heap[b.queueIndex] = b;
  }
}

/**
 * Items with deadlines, and one timer for them. Removing an item leaves the timer alone, which then finds
 * nothing due: most items are removed long before they are due, and setting a timer costs more than the rest
 * of their life.
 */
export class DeadlineTimer<T extends Timed> {
  readonly #queue = new DeadlineQueue<T>();
  readonly #timer: SharedTimer;

  /** @param onDue gets an item that is due and no longer in the queue; it may put the item back */
  constructor(clock: Clock, onDue: (item: T, dueByMs: number) => void) {
    this.#timer = new SharedTimer(
      clock,
      (dueByMs) => {
        for (let item = this.#queue.takeDue(dueByMs); item; item = this.#queue.takeDue(dueByMs))
          onDue(item, dueByMs);
      },
      () => this.#queue.nextMs,
    );
  }

  /** Adds an item, or moves one whose `dueMs` has changed. */
  put(item: T): void {
    this.#queue.put(item);
    this.#timer.set(this.#queue.nextMs);
  }

  remove(item: T): void {
    this.#queue.remove(item);
  }

  /** Stops until the next item is put. */
  stop(): void {
    this.#timer.cancel();
  }
}
