import { fileIdentity, type DescriptorCalls } from '../../../os/descriptors.js';
import { DescriptorLedger, newPage, PAGE_SLOTS } from '../ledger.js';

/** Descriptors on their way to one worker: the worker takes each of them, or this thread closes it. */
export class InFlightDescriptors {
  readonly #calls: DescriptorCalls;
  readonly #onPage: (page: SharedArrayBuffer) => void;
  readonly #ledger = new DescriptorLedger();
  readonly #free: number[] = [];
  /** The files in the slots in use. When the worker has ended, their numbers may be other files. */
  readonly #identities = new Map<number, string | undefined>();

  /** @param onPage gets each new page, which the worker must know */
  constructor(calls: DescriptorCalls, onPage: (page: SharedArrayBuffer) => void) {
    this.#calls = calls;
    this.#onPage = onPage;
  }

  /** Offers a descriptor, which the ledger owns from now on. Returns its slot. */
  add(descriptor: number): number {
    if (this.#free.length === 0) this.#addPage();
    const slot = this.#free.pop();
    if (slot === undefined) throw new Error('a new page has no slots');
    this.#identities.set(slot, fileIdentity(descriptor));
    this.#ledger.offer(slot, descriptor);
    return slot;
  }

  /** Ends an offer, and closes a descriptor that the worker has not taken. Returns whether it did. */
  end(slot: number): boolean {
    const descriptor = this.#ledger.takeBack(slot);
    if (descriptor !== undefined) this.#calls.close(descriptor);
    // The slot stays in use while the worker makes a socket of the descriptor.
    if (this.#ledger.isEmpty(slot)) {
      this.#identities.delete(slot);
      this.#free.push(slot);
    }
    return descriptor !== undefined;
  }

  /** The worker has ended, and Node has closed its sockets: closes the descriptors that became none. */
  reclaimAll(): void {
    for (const [slot, identity] of this.#identities) {
      const left = this.#ledger.reclaim(slot);
      // A descriptor that the worker took and made a socket of is closed, or its number is another file.
      if (left !== undefined && (!left.taken || fileIdentity(left.descriptor) === identity))
        this.#calls.close(left.descriptor);
    }
    this.#identities.clear();
  }

  #addPage(): void {
    const page = newPage();
    const first = this.#ledger.slots;
    this.#ledger.addPage(page);
    for (let slot = first + PAGE_SLOTS - 1; slot >= first; slot--) this.#free.push(slot);
    this.#onPage(page);
  }
}
