/**
 * The one word that says where an entry stands. Only {@link Bag} changes it.
 *
 * `idle` → `leased` by borrowing, `leased` → `idle` by giving back, either → `removed`, which is final. Maintenance takes an
 * idle entry with `remove` in one step, so it never races a borrower.
 */
export type EntryState = 'new' | 'idle' | 'leased' | 'removed';

/** What the bag needs of an entry. The links belong to the bag: an entry is in the list of the idle or in that of the leased. */
export interface BagEntry<E> {
  state: EntryState;
  newer: E | undefined;
  older: E | undefined;
}

/** What the bag needs of a waiter. The links belong to the bag. */
export interface BagWaiter<W> {
  queued: boolean;
  next: W | undefined;
  previous: W | undefined;
}

/**
 * Entries that are idle or leased, and the queue of those who wait for one. A container only: it knows no sockets, options,
 * clock or events, and serves nobody by itself. Every operation is O(1).
 */
export class Bag<E extends BagEntry<E>, W extends BagWaiter<W>> {
  #newest: E | undefined;
  #oldest: E | undefined;
  #lastLeased: E | undefined;
  #first: W | undefined;
  #last: W | undefined;
  #idle = 0;
  #leased = 0;
  #waiting = 0;

  get idle(): number {
    return this.#idle;
  }

  get leased(): number {
    return this.#leased;
  }

  /** Idle and leased entries together. */
  get size(): number {
    return this.#idle + this.#leased;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Who is served next. */
  get firstWaiter(): W | undefined {
    return this.#first;
  }

  /** Takes in a new entry as leased: the caller decides who gets it, or gives it back at once. */
  add(entry: E): void {
    if (entry.state !== 'new') throw new Error(`cannot add an entry that is ${entry.state}`);
    this.#linkLeased(entry);
  }

  /** Leases the entry that became idle last, so that spare ones stay idle and can die. */
  borrow(): E | undefined {
    const entry = this.#newest;
    if (entry === undefined) return undefined;
    this.#unlinkIdle(entry);
    this.#linkLeased(entry);
    return entry;
  }

  giveBack(entry: E): void {
    if (entry.state !== 'leased') throw new Error(`cannot give back an entry that is ${entry.state}`);
    this.#unlinkLeased(entry);
    entry.state = 'idle';
    this.#idle += 1;
    entry.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
  }

  /** Takes an entry out for good. Returns false if it was out already. */
  remove(entry: E): boolean {
    if (entry.state === 'idle') this.#unlinkIdle(entry);
    else if (entry.state === 'leased') this.#unlinkLeased(entry);
    else return false;
    entry.state = 'removed';
    return true;
  }

  /** The idle entries, the one that has been idle longest first. Removing the entry at hand is safe. */
  *idleEntries(): Generator<E, void, void> {
    let entry = this.#oldest;
    while (entry !== undefined) {
      const following: E | undefined = entry.newer;
      yield entry;
      entry = following;
    }
  }

  /** The idle entries, the one that became idle last first. */
  *newestIdleEntries(): Generator<E, void, void> {
    for (let entry = this.#newest; entry !== undefined; entry = entry.older) yield entry;
  }

  /** The leased entries, in no promised order. Removing the entry at hand is safe. */
  *leasedEntries(): Generator<E, void, void> {
    let entry = this.#lastLeased;
    while (entry !== undefined) {
      const following: E | undefined = entry.older;
      yield entry;
      entry = following;
    }
  }

  enqueue(waiter: W): void {
    waiter.queued = true;
    waiter.previous = this.#last;
    if (this.#last === undefined) this.#first = waiter;
    else this.#last.next = waiter;
    this.#last = waiter;
    this.#waiting += 1;
  }

  /** Takes out whoever is served next. */
  dequeue(): W | undefined {
    const waiter = this.#first;
    if (waiter !== undefined) this.cancel(waiter);
    return waiter;
  }

  /** Takes a waiter out of any place in the queue. Returns false if it was out already. */
  cancel(waiter: W): boolean {
    if (!waiter.queued) return false;
    waiter.queued = false;
    if (waiter.previous === undefined) this.#first = waiter.next;
    else waiter.previous.next = waiter.next;
    if (waiter.next === undefined) this.#last = waiter.previous;
    else waiter.next.previous = waiter.previous;
    waiter.previous = undefined;
    waiter.next = undefined;
    this.#waiting -= 1;
    return true;
  }

  #linkLeased(entry: E): void {
    entry.state = 'leased';
    this.#leased += 1;
    entry.older = this.#lastLeased;
    if (this.#lastLeased !== undefined) this.#lastLeased.newer = entry;
    this.#lastLeased = entry;
  }

  #unlinkLeased(entry: E): void {
    if (entry.newer === undefined) this.#lastLeased = entry.older;
    this.#leased -= 1;
    closeGap(entry);
  }

  #unlinkIdle(entry: E): void {
    if (entry.newer === undefined) this.#newest = entry.older;
    if (entry.older === undefined) this.#oldest = entry.newer;
    this.#idle -= 1;
    closeGap(entry);
  }
}

function closeGap<E extends BagEntry<E>>(entry: E): void {
  if (entry.newer !== undefined) entry.newer.older = entry.older;
  if (entry.older !== undefined) entry.older.newer = entry.newer;
  entry.newer = undefined;
  entry.older = undefined;
}
