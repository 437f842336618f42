import type { Uint64 } from '../codec/frame-view.js';

/** Stands for a request whose caller has given up while its answer may still come. */
export const ABANDONED = Symbol('abandoned');

const FIRST_ID = 1;
const LAST_ID = 2n ** 64n - 1n;

/**
 * The requests of one connection by their ids, without I/O. An id belongs to its request until the answer comes
 * or the connection closes: a late answer must not be taken for that of another request.
 */
export class RequestTable<Request extends object> {
  readonly #requests = new Map<Uint64, Request | typeof ABANDONED>();
  #nextId: Uint64;
  #abandoned = 0;

  /**
   * @param firstId for tests
   * @param abandoned for tests: ids in use from the beginning
   */
  constructor(firstId: Uint64 = FIRST_ID, abandoned: readonly Uint64[] = []) {
    this.#nextId = firstId;
    for (const id of abandoned) this.abandon(id);
  }

  /** Ids whose answer may still come. */
  get size(): number {
    return this.#requests.size;
  }

  /** Those of them whose callers have given up. */
  get abandoned(): number {
    return this.#abandoned;
  }

  /** Reserves an id for a request: 1, 2, 3, …, and 1 again after 2^64 - 1 (S-52), without those in use. */
  add(request: Request): Uint64 {
    let id = this.#nextId;
    while (this.#requests.has(id)) id = successor(id);
    this.#nextId = successor(id);
    this.#requests.set(id, request);
    return id;
  }

  /** Its caller gives up: the id stays reserved (S-55). */
  abandon(id: Uint64): void {
    this.#requests.set(id, ABANDONED);
    this.#abandoned++;
  }

  /** Takes out the request that an answer belongs to; `undefined` where none waits for it. */
  take(id: Uint64): Request | typeof ABANDONED | undefined {
    const request = this.#requests.get(id);
    if (request === undefined) return undefined;
    this.#requests.delete(id);
    if (request === ABANDONED) this.#abandoned--;
    return request;
  }

  /** Takes out all requests whose callers still wait, in the order of their ids. */
  takeAll(): Request[] {
    const waiting: Request[] = [];
    for (const request of this.#requests.values()) if (request !== ABANDONED) waiting.push(request);
    this.#requests.clear();
    this.#abandoned = 0;
    return waiting;
  }
}

function successor(id: Uint64): Uint64 {
  if (typeof id === 'number') return id < Number.MAX_SAFE_INTEGER ? id + 1 : BigInt(id) + 1n;
  return id < LAST_ID ? id + 1n : FIRST_ID;
}
