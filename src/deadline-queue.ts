/** Anything that wants to be looked at again at a certain time. */
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
    this.#riseFrom(item);
    this.#sinkFrom(item);
  }

  #riseFrom(item: T): void {
    while (item.queueIndex > 0) {
      const parent = this.#heap[(item.queueIndex - 1) >> 1];
      if (parent === undefined || parent.dueMs <= item.dueMs) return;
      this.#swap(item, parent);
    }
  }

  #sinkFrom(item: T): void {
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
