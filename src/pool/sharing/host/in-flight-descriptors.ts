import { fileIdentity, type DescriptorCalls } from '../../../os/descriptors.js';
import { DescriptorLedger, newPage, PAGE_SLOTS } from '../ledger.js';

/**
 * The descriptors that the pool's thread has on offer for one worker: each is taken by it, or closed here.
 */
export class InFlightDescriptors {
  readonly #calls: DescriptorCalls;
  readonly #onPage: (page: SharedArrayBuffer) => void;
  readonly #ledger = new DescriptorLedger();
  readonly #free: number[] = [];
  /**
   * What lies or lay in the slots in use, to know it again: a number may be another file by the time its
   * worker is gone.
   */
  readonly #identities = new Map<number, string | undefined>();

  /** @param onPage is told of memory that the worker must know */
  constructor(calls: DescriptorCalls, onPage: (page: SharedArrayBuffer) => void) {
    this.#calls = calls;
    this.#onPage = onPage;
  }

  /** Offers a descriptor, which is the ledger's from now on. Returns its slot. */
  add(descriptor: number): number {
    if (this.#free.length === 0) this.addPage();
    const slot = this.#free.pop();
    if (slot === undefined) throw new Error('a new page has no slots');
    this.#identities.set(slot, fileIdentity(descriptor));
    this.#ledger.offer(slot, descriptor);
    return slot;
  }

  addPage(): void {
    const page = newPage();
    const first = this.#ledger.slots;
    this.#ledger.addPage(page);
    for (let slot = first + PAGE_SLOTS - 1; slot >= first; slot--) this.#free.push(slot);
    this.#onPage(page);
  }

  /** The lease of an offer is over. Returns whether nobody had taken the descriptor, which is closed then. */
  end(slot: number): boolean {
    const descriptor = this.#ledger.takeBack(slot);
    if (descriptor !== undefined) this.#calls.close(descriptor);
    // While the worker is making a socket of it, the slot is not free. Only a connection that closes in that
    // moment comes here so.
    if (this.#ledger.isEmpty(slot)) {
      this.#identities.delete(slot);
      this.#free.push(slot);
    }
    return descriptor !== undefined;
  }

  /** The worker is gone, and Node has closed its sockets: closes what had not become one. */
  reclaimAll(): void {
    for (const [slot, identity] of this.#identities) {
      const left = this.#ledger.reclaim(slot);
      // Whether the worker had made a socket of what it took is known by whether it is still open.
      if (left !== undefined && (!left.taken || fileIdentity(left.descriptor) === identity))
        this.#calls.close(left.descriptor);
    }
    this.#identities.clear();
  }
}
