/**
 * The one word that says where an entry stands. Only {@link Bag} changes it.
 *
 * `new` → `leased` by adding, `idle` ⇄ `leased` by borrowing and giving back, `idle` ⇄ `reserved` by
 * maintenance, any of the three → `removed`, which is final. Maintenance reserves an entry before it works on
 * it, so it never races a borrower.
 */
export type EntryState = 'new' | 'idle' | 'leased' | 'reserved' | 'removed';

/** What the bag needs of an entry. The links and the place belong to the bag. */
export interface BagEntry<E> {
  state: EntryState;
  /** Neighbours in the list of the idle ones. */
  newer: E | undefined;
  older: E | undefined;
  /** Where the entry stands among all entries. */
  place: number;
}

/** What the bag needs of a waiter. The links belong to the bag. */
export interface BagWaiter<W> {
  next: W | undefined;
  previous: W | undefined;
}

/**
 * Entries that are idle, leased or reserved, and the queue of those who wait for one. A container only: it
 * knows no sockets, options, clock or events, and serves nobody by itself. Every operation is O(1), however
 * many it holds; only walking through entries takes longer.
 */
export class Bag<E extends BagEntry<E>, W extends BagWaiter<W>> {
  /**
   * Without order: the last one takes the place of one that is removed. Borrowing and giving back do not
   * touch it.
   */
  readonly #entries: E[] = [];
  #newest: E | undefined;
  #oldest: E | undefined;
  #first: W | undefined;
  #last: W | undefined;
  #idle = 0;
  #reserved = 0;
  #waiting = 0;

  get idle(): number {
    return this.#idle;
  }

  get leased(): number {
    return this.#entries.length - this.#idle - this.#reserved;
  }

  get reserved(): number {
    return this.#reserved;
  }

  /** Idle, leased and reserved entries together. */
  get size(): number {
    return this.#entries.length;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Who is served next. */
  get firstWaiter(): W | undefined {
    return this.#first;
  }

  /** Who came last. */
  get lastWaiter(): W | undefined {
    return this.#last;
  }

  /** The entry that {@link Bag.borrow} would lease. */
  get newestIdle(): E | undefined {
    return this.#newest;
  }

  /** The entry that has been idle longest. */
  get oldestIdle(): E | undefined {
    return this.#oldest;
  }

  /** Takes in a new entry as leased: the caller decides who gets it, or gives it back at once. */
  add(entry: E): void {
    if (entry.state !== 'new') throw new Error(`cannot add an entry that is ${entry.state}`);
    entry.state = 'leased';
    entry.place = this.#entries.push(entry) - 1;
  }

  /** Leases the entry that became idle last, so that spare ones stay idle and can die. */
  borrow(): E | undefined {
    const entry = this.#newest;
    if (entry === undefined) return undefined;
    const { older } = entry;
    this.#newest = older;
    if (older === undefined) this.#oldest = undefined;
    else older.newer = undefined;
    entry.older = undefined;
    entry.state = 'leased';
    this.#idle -= 1;
    return entry;
  }

  /** Makes a leased or reserved entry idle, to be leased next. */
  giveBack(entry: E): void {
    this.#becomeIdle(entry);
    entry.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
  }

  /**
   * Makes a leased or reserved entry idle, to be leased last: maintenance must not make a spare entry look
   * used, or it would never die.
   */
  giveBackAsSpare(entry: E): void {
    this.#becomeIdle(entry);
    entry.newer = this.#oldest;
    if (this.#oldest === undefined) this.#newest = entry;
    else this.#oldest.older = entry;
    this.#oldest = entry;
  }

  /**
   * Takes an idle entry, or one that comes back, aside for maintenance: it still counts, and no caller can
   * borrow it.
   */
  reserve(entry: E): void {
    if (entry.state === 'idle') this.#unlinkIdle(entry);
    else if (entry.state !== 'leased') throw new Error(`cannot reserve an entry that is ${entry.state}`);
    entry.state = 'reserved';
    this.#reserved += 1;
  }

  /** Takes an entry out for good. Returns false if it was out already. */
  remove(entry: E): boolean {
    if (entry.state === 'idle') this.#unlinkIdle(entry);
    else if (entry.state === 'reserved') this.#reserved -= 1;
    else if (entry.state !== 'leased') return false;
    entry.state = 'removed';
    const last = this.#entries.pop();
    if (last === undefined || last === entry) return true;
    last.place = entry.place;
    this.#entries[entry.place] = last;
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

  /** All entries as they are now, in no promised order. */
  entries(): readonly E[] {
    return Array.from(this.#entries);
  }

  enqueue(waiter: W): void {
    waiter.previous = this.#last;
    if (this.#last === undefined) this.#first = waiter;
    else this.#last.next = waiter;
    this.#last = waiter;
    this.#waiting += 1;
  }

  /** Takes out whoever is served next. */
  dequeue(): W | undefined {
    const waiter = this.#first;
    if (waiter === undefined) return undefined;
    const { next } = waiter;
    this.#first = next;
    if (next === undefined) this.#last = undefined;
    else next.previous = undefined;
    waiter.next = undefined;
    this.#waiting -= 1;
    return waiter;
  }

  isQueued(waiter: W): boolean {
    return waiter.previous !== undefined || waiter === this.#first;
  }

  /** Takes a waiter out of any place in the queue. Returns false if it was out already. */
  cancel(waiter: W): boolean {
    if (!this.isQueued(waiter)) return false;
    if (waiter.previous === undefined) this.#first = waiter.next;
    else waiter.previous.next = waiter.next;
    if (waiter.next === undefined) this.#last = waiter.previous;
    else waiter.next.previous = waiter.previous;
    waiter.previous = undefined;
    waiter.next = undefined;
    this.#waiting -= 1;
    return true;
  }

  #becomeIdle(entry: E): void {
    if (entry.state === 'reserved') this.#reserved -= 1;
    else if (entry.state !== 'leased') throw new Error(`cannot give back an entry that is ${entry.state}`);
    entry.state = 'idle';
    this.#idle += 1;
  }

  #unlinkIdle(entry: E): void {
    if (entry.newer === undefined) this.#newest = entry.older;
    else entry.newer.older = entry.older;
    if (entry.older === undefined) this.#oldest = entry.newer;
    else entry.older.newer = entry.newer;
    entry.newer = undefined;
    entry.older = undefined;
    this.#idle -= 1;
  }
}
