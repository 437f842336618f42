/**
 * The state of an entry; only {@link EntryList} changes it. `new` → `leased` by adding, `idle` ⇄ `leased` by
 * leasing and release, `idle` ⇄ `reserved` by maintenance, `leased` → `detached` for good, any of the four →
 * `removed`, which is final.
 */
export type EntryState = 'new' | 'idle' | 'leased' | 'reserved' | 'detached' | 'removed';

/** An entry of the list. The links belong to the list. */
export interface ListEntry<E> {
  state: EntryState;
  /** Neighbours in the list. */
  newer: E | undefined;
  older: E | undefined;
}

/**
 * Entries that are idle, leased, reserved or detached. A container only: it knows no sockets, options, clock or events.
 * Every operation is O(1); only walking through entries takes longer.
 *
 * All entries are one chain: first the idle ones, the longest idle first, then the others in no promised order. So a
 * lease of the newest idle entry moves a boundary and no entry, and an idle entry needs its two links alone.
 */
export class EntryList<E extends ListEntry<E>> {
  // Plain fields, which only this class writes: each acquire reads some of them.
  /** Idle, leased, reserved and detached entries together. */
  size = 0;
  idle = 0;
  reserved = 0;
  detached = 0;
  /** The entry that {@link EntryList.leaseNewest} leases: the last idle one of the chain. */
  newestIdle: E | undefined = undefined;
  #first: E | undefined = undefined;

  get leased(): number {
    return this.size - this.idle - this.reserved - this.detached;
  }

  /** The entry that has been idle longest. */
  get oldestIdle(): E | undefined {
    return this.idle === 0 ? undefined : this.#first;
  }

  /** Takes in a new entry as leased: the caller serves a waiter with it, or makes it idle. */
  add(entry: E): void {
    if (entry.state !== 'new') throw new Error(`cannot add an entry that is ${entry.state}`);
    this.#linkAfter(this.newestIdle, entry);
    entry.state = 'leased';
    this.size += 1;
  }

  /** Leases the entry that became idle last, so that spare entries stay idle and can time out. */
  leaseNewest(): E | undefined {
    const entry = this.newestIdle;
    if (entry === undefined) return undefined;
    this.newestIdle = entry.older;
    entry.state = 'leased';
    this.idle -= 1;
    return entry;
  }

  /** Leases an idle entry, wherever it stands. */
  lease(entry: E): void {
    if (entry.state !== 'idle') throw new Error(`cannot lease an entry that is ${entry.state}`);
    this.#endIdle(entry);
    entry.state = 'leased';
  }

  /** Makes a leased or reserved entry idle, to be leased next. */
  makeIdle(entry: E): void {
    if (entry.state !== 'leased') this.#endReservation(entry);
    entry.state = 'idle';
    this.idle += 1;
    const newest = this.newestIdle;
    // The entry that was leased last still stands at the boundary.
    if (entry.older !== newest) {
      this.#unlink(entry);
      this.#linkAfter(newest, entry);
    }
    this.newestIdle = entry;
  }

  /** Makes a leased or reserved entry idle, to be leased last: maintenance must not make it look used. */
  makeIdleAsOldest(entry: E): void {
    if (entry.state !== 'leased') this.#endReservation(entry);
    entry.state = 'idle';
    this.idle += 1;
    this.#unlink(entry);
    this.#linkAfter(undefined, entry);
    this.newestIdle ??= entry;
  }

  /** Sets an idle or leased entry aside for maintenance: it counts, and no caller can lease it. */
  reserve(entry: E): void {
    if (entry.state === 'idle') this.#endIdle(entry);
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
    if (entry.state === 'idle') this.#endIdle(entry);
    else if (entry.state === 'reserved') this.reserved -= 1;
    else if (entry.state === 'detached') this.detached -= 1;
    else if (entry.state !== 'leased') return false;
    entry.state = 'removed';
    this.#unlink(entry);
    entry.newer = undefined;
    entry.older = undefined;
    this.size -= 1;
    return true;
  }

  /** The idle entries, the one that has been idle longest first. Removing the current entry is safe. */
  *idleEntries(): Generator<E, void, void> {
    let entry = this.#first;
    while (entry?.state === 'idle') {
      const following: E | undefined = entry.newer;
      yield entry;
      entry = following;
    }
  }

  /** A copy of all entries, in no promised order. */
  entries(): readonly E[] {
    const entries: E[] = [];
    for (let entry = this.#first; entry !== undefined; entry = entry.newer) entries.push(entry);
    return entries;
  }

  #endReservation(entry: E): void {
    if (entry.state !== 'reserved') throw new Error(`cannot make an entry idle that is ${entry.state}`);
    this.reserved -= 1;
  }

  /** Moves an idle entry behind the idle ones. */
  #endIdle(entry: E): void {
    this.idle -= 1;
    if (entry === this.newestIdle) {
      this.newestIdle = entry.older;
      return;
    }
    this.#unlink(entry);
    this.#linkAfter(this.newestIdle, entry);
  }

  #unlink({ newer, older }: E): void {
    if (older === undefined) this.#first = newer;
    else older.newer = newer;
    if (newer !== undefined) newer.older = older;
  }

  /** @param older `undefined`: the entry becomes the first one */
  #linkAfter(older: E | undefined, entry: E): void {
    const newer = older === undefined ? this.#first : older.newer;
    entry.older = older;
    entry.newer = newer;
    if (older === undefined) this.#first = entry;
    else older.newer = entry;
    if (newer !== undefined) newer.older = entry;
  }
}

/** An item of the queue. The links belong to the queue. */
export interface QueueItem<T> {
  next: T | undefined;
  previous: T | undefined;
}

/**
 * A first-in-first-out queue from whose middle an item can leave: of callers that wait, of connects under way, of
 * validations. Every operation is O(1), averaged over the items that have come.
 *
 * Items are linked backwards only when one leaves from the middle: links both ways made an acquire with 10,000
 * waiters take half as long again, all of it the collector's time.
 */
export class LinkedQueue<T extends QueueItem<T>> {
  // Plain fields, which only this class writes: each acquire and release reads them.
  size = 0;
  /** The item that leaves next. */
  first: T | undefined = undefined;
  last: T | undefined = undefined;
  /** From the first item to this one, each is linked backwards; `undefined` where none is. */
  #linkedUntil: T | undefined;

  push(item: T): void {
    const { last } = this;
    if (last === undefined) this.first = item;
    else last.next = item;
    this.last = item;
    this.size += 1;
  }

  /** Takes out the first item. */
  shift(): T | undefined {
    const item = this.first;
    if (item === undefined) return undefined;
    const { next } = item;
    this.first = next;
    if (next === undefined) this.last = undefined;
    item.next = undefined;
    this.size -= 1;
    if (this.#linkedUntil !== undefined) this.#unlinkFirst(item);
    return item;
  }

  includes(item: T): boolean {
    return item.next !== undefined || item === this.last;
  }

  /** Takes an item out of any position. Returns false if it was out already. */
  remove(item: T): boolean {
    if (item.next === undefined && item !== this.last) return false;
    if (item !== this.first) this.#linkBackwards();
    const { next, previous } = item;
    if (previous === undefined) this.first = next;
    else previous.next = next;
    if (next === undefined) this.last = previous;
    else next.previous = previous;
    if (item === this.#linkedUntil) this.#linkedUntil = previous;
    item.previous = undefined;
    item.next = undefined;
    this.size -= 1;
    return true;
  }

  #unlinkFirst(left: T): void {
    if (left === this.#linkedUntil) this.#linkedUntil = undefined;
    else if (this.first !== undefined) this.first.previous = undefined;
  }

  /** Each item is passed once, however many leave. */
  #linkBackwards(): void {
    let item = this.#linkedUntil ?? this.first;
    for (let next = item?.next; next !== undefined; next = next.next) {
      next.previous = item;
      item = next;
    }
    this.#linkedUntil = item;
  }
}
