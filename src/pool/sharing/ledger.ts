/** Words of one page. */
export const PAGE_SLOTS = 256;

const EMPTY = 0;
/** Set while the worker makes a socket of the descriptor. */
const TAKEN = 1;

/** A page of shared memory for a {@link DescriptorLedger}. */
export function newPage(): SharedArrayBuffer {
  return new SharedArrayBuffer(PAGE_SLOTS * Int32Array.BYTES_PER_ELEMENT);
}

/** A descriptor that an ended worker left in a slot. */
export interface Unfinished {
  readonly descriptor: number;
  readonly taken: boolean;
}

/**
 * The descriptors on their way from the pool's thread to one worker, in memory that both see. A worker that
 * ends before it reads a message would leak a descriptor in it; here each has an owner at any moment.
 *
 * Layout: one 32-bit word for each slot, in pages that are added as needed: 0 for "none", else
 * `(descriptor + 1) * 2`, plus 1 from when the worker takes it until a socket owns it. Only the pool's thread
 * fills an empty slot. Both sides take a descriptor by compare-and-exchange, so only one of them gets it.
 */
export class DescriptorLedger {
  readonly #pages: Int32Array[] = [];

  addPage(buffer: SharedArrayBuffer): void {
    this.#pages.push(new Int32Array(buffer));
  }

  get slots(): number {
    return this.#pages.length * PAGE_SLOTS;
  }

  /** Pool's thread: fills an empty slot. Worker: puts back a descriptor that it cannot make a socket of. */
  offer(slot: number, descriptor: number): void {
    this.#store(slot, (descriptor + 1) * 2);
  }

  /** Worker: takes the descriptor, to make a socket of it at once; `undefined` if the pool took it back. */
  take(slot: number): number | undefined {
    return this.#change(slot, TAKEN);
  }

  /** Worker: a socket owns the descriptor that it took. */
  settle(slot: number): void {
    this.#store(slot, EMPTY);
  }

  /** Worker, when the pool's thread may have ended: frees all that is still on offer. */
  takeRest(free: (descriptor: number) => void): void {
    for (let slot = 0; slot < this.slots; slot++) {
      const descriptor = this.take(slot);
      if (descriptor === undefined) continue;
      free(descriptor);
      this.settle(slot);
    }
  }

  /** Pool's thread: takes back a descriptor that the worker has not taken. */
  takeBack(slot: number): number | undefined {
    return this.#change(slot, EMPTY);
  }

  isEmpty(slot: number): boolean {
    const [page, index] = this.#place(slot);
    return Atomics.load(page, index) === EMPTY;
  }

  /** Pool's thread, when the worker has ended: takes all that it left. */
  reclaim(slot: number): Unfinished | undefined {
    const [page, index] = this.#place(slot);
    const word = Atomics.exchange(page, index, EMPTY);
    return word === EMPTY ? undefined : { descriptor: (word >> 1) - 1, taken: (word & TAKEN) !== 0 };
  }

  #store(slot: number, word: number): void {
    const [page, index] = this.#place(slot);
    Atomics.store(page, index, word);
  }

  /** Takes the descriptor on offer, unless the other thread is faster. */
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
