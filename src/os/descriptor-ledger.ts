/** Descriptors for which there is room at first. */
const FIRST_SLOTS = 256;
/** As many descriptors as a Linux process may have (fs.nr_open). Room that is not used costs addresses only. */
const MOST_SLOTS = 2 ** 20;

const EMPTY = 0;
/** Set while the client makes a socket of the descriptor. */
const TAKEN = 1;

/** A descriptor that an ended client left in a slot. */
export interface Unfinished {
  readonly descriptor: number;
  readonly taken: boolean;
}

/**
 * The descriptors on their way from the pool's thread to one client, another thread that uses the pool. The ledger is
 * memory that both see. A client that ends before it reads a message would leak a descriptor in it; here each has an
 * owner at any moment.
 *
 * Layout: one 32-bit word for each slot: 0 for "none", else `(descriptor + 1) * 2`, plus 1 from when the client
 * takes it until a socket owns it. Only the pool's thread fills an empty slot. Both sides take a descriptor by
 * compare-and-exchange, so only one of them gets it.
 */
export class DescriptorLedger {
  readonly memory: SharedArrayBuffer;
  /** Grows with the memory. */
  readonly #words: Int32Array;

  /** @param memory of the other side's ledger */
  constructor(memory?: SharedArrayBuffer) {
    const { BYTES_PER_ELEMENT } = Int32Array;
    const maxByteLength = MOST_SLOTS * BYTES_PER_ELEMENT;
    this.memory = memory ?? new SharedArrayBuffer(FIRST_SLOTS * BYTES_PER_ELEMENT, { maxByteLength });
    this.#words = new Int32Array(this.memory);
  }

  get slots(): number {
    return this.#words.length;
  }

  /** Pool's thread: twice as many slots. */
  grow(): void {
    this.memory.grow(this.memory.byteLength * 2);
  }

  /** Pool's thread: fills an empty slot. Client: puts back a descriptor that it cannot make a socket of. */
  offer(slot: number, descriptor: number): void {
    Atomics.store(this.#words, slot, (descriptor + 1) * 2);
  }

  /** Client: takes the descriptor, to make a socket of it at once; `undefined` if the pool took it back. */
  take(slot: number): number | undefined {
    return this.#change(slot, TAKEN);
  }

  /** Client: a socket owns the descriptor that it took. */
  settle(slot: number): void {
    Atomics.store(this.#words, slot, EMPTY);
  }

  /** Client, when the pool's thread may have ended: frees all that is still on offer. */
  takeRest(free: (descriptor: number) => void): void {
    for (let slot = 0; slot < this.slots; slot++) {
      const descriptor = this.take(slot);
      if (descriptor === undefined) continue;
      free(descriptor);
      this.settle(slot);
    }
  }

  /** Pool's thread: takes back a descriptor that the client has not taken. */
  takeBack(slot: number): number | undefined {
    return this.#change(slot, EMPTY);
  }

  isEmpty(slot: number): boolean {
    return Atomics.load(this.#words, slot) === EMPTY;
  }

  /** Pool's thread, when the client has ended: takes all that it left. */
  reclaim(slot: number): Unfinished | undefined {
    const word = Atomics.exchange(this.#words, slot, EMPTY);
    return word === EMPTY ? undefined : { descriptor: (word >> 1) - 1, taken: (word & TAKEN) !== 0 };
  }

  /** Takes the descriptor on offer, unless the other side is faster. */
  #change(slot: number, to: typeof TAKEN | typeof EMPTY): number | undefined {
    const word = Atomics.load(this.#words, slot);
    if (word === EMPTY || (word & TAKEN) !== 0) return undefined;
    const changed = to === TAKEN ? word | TAKEN : EMPTY;
    return Atomics.compareExchange(this.#words, slot, word, changed) === word ? (word >> 1) - 1 : undefined;
  }
}
