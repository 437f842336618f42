/**
 * The state of an entry; only {@link EntryList} changes it. `new` → `leased` by adding, `idle` ⇄ `leased` by
 * leasing and release, `idle` ⇄ `reserved` by maintenance, `leased` → `detached` for good, any of the four →
 * `removed`, which is final.
 */
export type EntryState = 'new' | 'idle' | 'leased' | 'reserved' | 'detached' | 'removed';

/** An entry of the list. The links and the index belong to the list. */
export interface ListEntry<E> {
  state: EntryState;
  /** Neighbours among the idle entries. */
  newer: E | undefined;
  older: E | undefined;
  /** Index among all entries. */
  index: number;
}

/**
 * Entries that are idle, leased, reserved or detached. A container only: it knows no sockets, options, clock or events.
 * Every operation is O(1); only walking through entries takes longer.
 */
export class EntryList<E extends ListEntry<E>> {
  // Plain fields, which only this class writes: each acquire reads some of them.
  idle = 0;
  reserved = 0;
  detached = 0;
  /** The entry that {@link EntryList.leaseNewest} leases. */
  newestIdle: E | undefined = undefined;
  /** The entry that has been idle longest. */
  oldestIdle: E | undefined = undefined;
  /** Unordered: the last entry moves to the index of a removed one. Leasing and release do not touch it. */
  readonly #entries: E[] = [];

  get leased(): number {
    return this.#entries.length - this.idle - this.reserved - this.detached;
  }

  /** Idle, leased, reserved and detached entries together. */
  get size(): number {
    return this.#entries.length;
  }

  /** Takes in a new entry as leased: the caller serves a waiter with it, or makes it idle. */
  add(entry: E): void {
    if (entry.state !== 'new') throw new Error(`cannot add an entry that is ${entry.state}`);
    entry.state = 'leased';
    entry.index = this.#entries.push(entry) - 1;
  }

  /** Leases the entry that became idle last, so that spare entries stay idle and can time out. */
  leaseNewest(): E | undefined {
    const entry = this.newestIdle;
    if (entry === undefined) return undefined;
    const { older } = entry;
    this.newestIdle = older;
    if (older === undefined) this.oldestIdle = undefined;
    else older.newer = undefined;
    entry.older = undefined;
    entry.state = 'leased';
    this.idle -= 1;
    return entry;
  }

  /** Leases an idle entry, wherever it stands. */
  lease(entry: E): void {
    if (entry.state !== 'idle') throw new Error(`cannot lease an entry that is ${entry.state}`);
    this.#unlinkIdle(entry);
    entry.state = 'leased';
  }

  /** Makes a leased or reserved entry idle, to be leased next. */
  makeIdle(entry: E): void {
    if (entry.state !== 'leased') this.#endReservation(entry);
    entry.state = 'idle';
    this.idle += 1;
    const newest = this.newestIdle;
    entry.older = newest;
    if (newest === undefined) this.oldestIdle = entry;
    else newest.newer = entry;
    this.newestIdle = entry;
  }

  /** Makes a leased or reserved entry idle, to be leased last: maintenance must not make it look used. */
  makeIdleAsOldest(entry: E): void {
    if (entry.state !== 'leased') this.#endReservation(entry);
    entry.state = 'idle';
    this.idle += 1;
    const oldest = this.oldestIdle;
    entry.newer = oldest;
    if (oldest === undefined) this.newestIdle = entry;
    else oldest.older = entry;
    this.oldestIdle = entry;
  }

  /** Sets an idle or leased entry aside for maintenance: it counts, and no caller can lease it. */
  reserve(entry: E): void {
    if (entry.state === 'idle') this.#unlinkIdle(entry);
    else if (entry.state !== 'leased') throw new Error(`cannot reserve an entry that is ${entry.state}`);
    entry.state = 'reserved';
    this.reserved += 1;
  }

  /** Gives a leased entry to its holder: it counts until it is removed, and no caller can lease it again. */
  detach(entry: E): void {
    if (entry.state !== 'leased') throw new Error(`cannot detach an entry that is ${entry.state}`);
    entry.state = 'detached';
    this.detached += 1;
  }

  /** Takes an entry out for good. Returns false if it was out already. */
  remove(entry: E): boolean {
    if (entry.state === 'idle') this.#unlinkIdle(entry);
    else if (entry.state === 'reserved') this.reserved -= 1;
    else if (entry.state === 'detached') this.detached -= 1;
    else if (entry.state !== 'leased') return false;
    entry.state = 'removed';
    const last = this.#entries.pop();
    if (last === undefined || last === entry) return true;
    last.index = entry.index;
    this.#entries[entry.index] = last;
    return true;
  }

  /** The idle entries, the one that has been idle longest first. Removing the current entry is safe. */
  *idleEntries(): Generator<E, void, void> {
    let entry = this.oldestIdle;
    while (entry !== undefined) {
      const following: E | undefined = entry.newer;
      yield entry;
      entry = following;
    }
  }

  /** A copy of all entries, in no promised order. */
  entries(): readonly E[] {
    return Array.from(this.#entries);
  }

  #endReservation(entry: E): void {
    if (entry.state !== 'reserved') throw new Error(`cannot make an entry idle that is ${entry.state}`);
    this.reserved -= 1;
  }

  #unlinkIdle(entry: E): void {
    if (entry.newer === undefined) this.newestIdle = entry.older;
    else entry.newer.older = entry.older;
    if (entry.older === undefined) this.oldestIdle = entry.newer;
    else entry.older.newer = entry.newer;
    entry.newer = undefined;
    entry.older = undefined;
    this.idle -= 1;
  }
}

/** A waiter of the queue. The links belong to the queue. */
export interface QueuedWaiter<W> {
  next: W | undefined;
  previous: W | undefined;
}

/**
 * A first-in-first-out queue from whose middle a waiter can leave. Every operation is O(1), averaged over the waiters
 * that have come.
 *
 * Waiters are linked backwards only when one leaves from the middle: links both ways made an acquire with 10,000
 * waiters take half as long again, all of it the collector's time.
 */
export class WaiterQueue<W extends QueuedWaiter<W>> {
  // Plain fields, which only this class writes: each acquire and release reads them.
  size = 0;
  /** The waiter that is served next. */
  first: W | undefined = undefined;
  last: W | undefined = undefined;
  /** From the first waiter to this one, each is linked backwards; `undefined` where none is. */
  #linkedUntil: W | undefined;

  push(waiter: W): void {
    const { last } = this;
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
    waiter.next = undefined;
    this.size -= 1;
    if (this.#linkedUntil !== undefined) this.#unlinkFirst(waiter);
    return waiter;
  }

  includes(waiter: W): boolean {
    return waiter.next !== undefined || waiter === this.last;
  }

  /** Takes a waiter out of any position. Returns false if it was out already. */
  remove(waiter: W): boolean {
    if (waiter.next === undefined && waiter !== this.last) return false;
    if (waiter !== this.first) this.#linkBackwards();
    const { next, previous } = waiter;
    if (previous === undefined) this.first = next;
    else previous.next = next;
    if (next === undefined) this.last = previous;
    else next.previous = previous;
    if (waiter === this.#linkedUntil) this.#linkedUntil = previous;
    waiter.previous = undefined;
    waiter.next = undefined;
    this.size -= 1;
    return true;
  }

  #unlinkFirst(left: W): void {
    if (left === this.#linkedUntil) this.#linkedUntil = undefined;
    else if (this.first !== undefined) this.first.previous = undefined;
  }

  /** Each waiter is passed once, however many leave. */
  #linkBackwards(): void {
    let waiter = this.#linkedUntil ?? this.first;
    for (let next = waiter?.next; next !== undefined; next = next.next) {
      next.previous = waiter;
      waiter = next;
    }
    this.#linkedUntil = waiter;
  }
}
