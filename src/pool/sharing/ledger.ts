/** Words of one page. */
export const PAGE_SLOTS = 256;

const EMPTY = 0;
/** Set while a worker makes a socket of the descriptor. */
const TAKEN = 1;

/** A page of shared memory for a {@link DescriptorLedger}. */
export function newPage(): SharedArrayBuffer {
  return new SharedArrayBuffer(PAGE_SLOTS * Int32Array.BYTES_PER_ELEMENT);
}

/**
 * What the pool's thread finds in a slot: a descriptor that nobody took, or one that was about to become a
 * socket.
 */
export interface Unfinished {
  readonly descriptor: number;
  readonly taken: boolean;
}

/**
 * The descriptors that are on their way from the pool's thread to one worker, in memory that both see. A
 * descriptor in a message would be lost with a worker that dies before it reads it; here each is somebody's
 * at any moment.
 *
 * Layout, 32-bit words, one for each slot, in pages that are added as they are needed: 0 for "none", else
 * `(descriptor + 1) * 2`, plus 1 from when the worker took it until a socket owns it. Only the pool's thread
 * fills a slot. Only one of both empties it: all that is there is taken by compare-and-exchange.
 */
export class DescriptorLedger {
  readonly #pages: Int32Array[] = [];

  addPage(buffer: SharedArrayBuffer): void {
    this.#pages.push(new Int32Array(buffer));
  }

  get slots(): number {
    return this.#pages.length * PAGE_SLOTS;
  }

  /** Pool's thread: lays a descriptor into an empty slot. */
  offer(slot: number, descriptor: number): void {
    const [page, index] = this.#place(slot);
    Atomics.store(page, index, (descriptor + 1) * 2);
  }

  /**
   * Worker: takes the descriptor, to make a socket of it at once; `undefined` if the pool's thread has taken
   * it back.
   */
  take(slot: number): number | undefined {
    return this.#change(slot, TAKEN);
  }

  /** Worker: a socket owns what was taken. */
  settle(slot: number): void {
    const [page, index] = this.#place(slot);
    Atomics.store(page, index, EMPTY);
  }

  /** Worker: no socket could be made of what was taken; it is the pool's thread's again. */
  putBack(slot: number, descriptor: number): void {
    this.offer(slot, descriptor);
  }

  /** Worker: frees whatever is still on offer, for a pool's thread that has ended. */
  takeRest(free: (descriptor: number) => void): void {
    for (let slot = 0; slot < this.slots; slot++) {
      const descriptor = this.take(slot);
      if (descriptor === undefined) continue;
      free(descriptor);
      this.settle(slot);
    }
  }

  /** Pool's thread: takes back what the worker has not taken. */
  takeBack(slot: number): number | undefined {
    return this.#change(slot, EMPTY);
  }

  isEmpty(slot: number): boolean {
    const [page, index] = this.#place(slot);
    return Atomics.load(page, index) === EMPTY;
  }

  /** Pool's thread, when the worker is gone: takes whatever it left. */
  reclaim(slot: number): Unfinished | undefined {
    const [page, index] = this.#place(slot);
    const word = Atomics.exchange(page, index, EMPTY);
    return word === EMPTY ? undefined : { descriptor: (word >> 1) - 1, taken: (word & TAKEN) !== 0 };
  }

  /** What lies on offer; whoever is first to change the word has it. */
  #change(slot: number, to: typeof TAKEN | typeof EMPTY): number | undefined {
    const [page, index] = this.#place(slot);
    const word = Atomics.load(page, index);
    if (word === EMPTY || (word & TAKEN) !== 0) return undefined;
    const changed = to === TAKEN ? word | TAKEN : EMPTY;
    return Atomics.compareExchange(page, index, word, changed) === word ? (word >> 1) - 1 : undefined;
  }

  #place(slot: number): [page: Int32Array, index: number] {
    const page = this.#pages[Math.floor(slot / PAGE_SLOTS)];
    if (page === undefined) throw new RangeError(`the descriptor ledger has no slot ${slot}`);
    return [page, slot % PAGE_SLOTS];
  }
}
