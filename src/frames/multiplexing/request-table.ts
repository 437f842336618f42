import type { Uint64 } from '../codec/frame-view.js';

/** Stands for a request whose caller has given up while its answer may still come. */
export const ABANDONED = Symbol('abandoned');

const FIRST_ID = 1;
const LAST_ID = 2n ** 64n - 1n;
/** Places of a new table. */
const FEWEST_PLACES = 32;

/** A request in the table, which has the id that the table gave it. */
export interface Identified {
  id: Uint64;
}

/** Stands for a request whose caller has given up. */
class AbandonedId implements Identified {
  readonly id: Uint64;

  constructor(id: Uint64) {
    this.id = id;
  }
}

/**
 * The requests of one connection by their ids, without I/O. An id belongs to its request until the answer comes
 * or the connection closes: a late answer must not be taken for that of another request.
 *
 * Ids that follow each other have places that follow each other. A `Map` in place of the array would burden the
 * garbage collector, see `Fifo`.
 */
export class RequestTable<Request extends Identified> {
  /** An id has its place at the id modulo the length, a power of two. At most half of the places are taken. */
  #places: (Request | AbandonedId | undefined)[];
  #nextId: Uint64;
  #size = 0;
  #abandoned = 0;

  /**
   * @param firstId for tests
   * @param abandoned for tests: ids in use from the beginning
   */
  constructor(firstId: Uint64 = FIRST_ID, abandoned: readonly Uint64[] = []) {
    this.#places = emptyPlaces(FEWEST_PLACES);
    this.#nextId = firstId;
    for (const id of abandoned) {
      this.#places[this.#placeOf(id)] = new AbandonedId(id);
      this.#size++;
      this.#abandoned++;
    }
  }

  /** Ids whose answer may still come. */
  get size(): number {
    return this.#size;
  }

  /** Requests whose callers have given up. */
  get abandoned(): number {
    return this.#abandoned;
  }

  /**
   * Reserves an id for a request: 1, 2, 3, …, and 1 again after 2^64 - 1 (S-52). An id is left out where an older
   * one has its place, the same id among them.
   */
  add(request: Request): Uint64 {
    if (this.#size * 2 >= this.#places.length) this.#grow();
    let id = this.#nextId;
    let place = this.#placeOf(id);
    while (this.#places[place] !== undefined) {
      id = successor(id);
      place = this.#placeOf(id);
    }
    this.#nextId = successor(id);
    request.id = id;
    this.#places[place] = request;
    this.#size++;
    return id;
  }

  /** The caller of a request gives up: the id stays reserved (S-55). */
  abandon(id: Uint64): void {
    this.#places[this.#placeOf(id)] = new AbandonedId(id);
    this.#abandoned++;
  }

  /** Takes out the request that an answer belongs to; `undefined` where none waits for it. */
  take(id: Uint64): Request | typeof ABANDONED | undefined {
    const place = this.#placeOf(id);
    const entry = this.#places[place];
    if (entry === undefined || entry.id !== id) return undefined;
    this.#places[place] = undefined;
    this.#size--;
    if (!(entry instanceof AbandonedId)) return entry;
    this.#abandoned--;
    return ABANDONED;
  }

  /** Takes out all requests whose callers still wait, in the order of their ids. */
  takeAll(): Request[] {
    const waiting: Request[] = [];
    for (const entry of this.#places)
      if (entry !== undefined && !(entry instanceof AbandonedId)) waiting.push(entry);
    this.#places = emptyPlaces(FEWEST_PLACES);
    this.#size = this.#abandoned = 0;
    return waiting.toSorted((one, other) => (one.id < other.id ? -1 : 1));
  }

  #placeOf(id: Uint64): number {
    const { length } = this.#places;
    return typeof id === 'number' ? id % length : Number(id % BigInt(length));
  }

  /** Doubles the places. Ids that differ modulo the old length differ modulo its double: each gets its own place. */
  #grow(): void {
    const entries = this.#places;
    this.#places = emptyPlaces(entries.length * 2);
    for (const entry of entries) if (entry !== undefined) this.#places[this.#placeOf(entry.id)] = entry;
  }
}

function emptyPlaces(count: number): undefined[] {
  return Array.from({ length: count }, () => undefined);
}

function successor(id: Uint64): Uint64 {
  if (typeof id === 'number') return id < Number.MAX_SAFE_INTEGER ? id + 1 : BigInt(id) + 1n;
  return id < LAST_ID ? id + 1n : FIRST_ID;
}
