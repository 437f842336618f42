/** What the queue needs of a waiter. The links belong to the queue. */
export interface QueuedWaiter<W> {
  next: W | undefined;
  previous: W | undefined;
}

/** A first-in-first-out queue from whose middle a waiter can leave. Every operation is O(1). */
export class WaiterQueue<W extends QueuedWaiter<W>> {
  // Plain fields, which only this class writes: each acquire and release reads them.
  size = 0;
  /** The waiter that is served next. */
  first: W | undefined = undefined;
  last: W | undefined = undefined;

  push(waiter: W): void {
    const { last } = this;
    waiter.previous = last;
    if (last === undefined) this.first = waiter;
    else last.next = waiter;
    this.last = waiter;
    this.size += 1;
  }

  /** Takes out the waiter that is served next. */
  shift(): W | undefined {
    const waiter = this.first;
    if (waiter === undefined) return undefined;
    const { next } = waiter;
    this.first = next;
    if (next === undefined) this.last = undefined;
    else next.previous = undefined;
    waiter.next = undefined;
    this.size -= 1;
    return waiter;
  }

  includes(waiter: W): boolean {
    return waiter.previous !== undefined || waiter === this.first;
  }

  /** Takes a waiter out of any position. Returns false if it was out already. */
  remove(waiter: W): boolean {
    if (!this.includes(waiter)) return false;
    if (waiter.previous === undefined) this.first = waiter.next;
    else waiter.previous.next = waiter.next;
    if (waiter.next === undefined) this.last = waiter.previous;
    else waiter.next.previous = waiter.previous;
    waiter.previous = undefined;
    waiter.next = undefined;
    this.size -= 1;
    return true;
  }
}
