import { DescriptorLedger } from './descriptor-ledger.js';
import { fileIdentity, type DescriptorCalls } from './descriptors.js';

/**
 * Descriptors on their way to one client, another thread that uses the pool: the client takes each of them, or this
 * thread closes it.
 */
export class InFlightDescriptors {
  readonly #calls: DescriptorCalls;
  readonly #ledger = new DescriptorLedger();
  readonly #free: number[] = [];
  /** Slots that have been used, or are free. */
  #known = 0;
  /** The files in the slots in use. When the client has ended, their numbers may be other files. */
  readonly #identities = new Map<number, string | undefined>();

  constructor(calls: DescriptorCalls) {
    this.#calls = calls;
  }

  /** For the ledger of the client. */
  get memory(): SharedArrayBuffer {
    return this.#ledger.memory;
  }

  /** Offers a descriptor, which the ledger owns from now on. Returns its slot. */
  add(descriptor: number): number {
    const slot = this.#free.pop() ?? this.#known++;
    if (slot === this.#ledger.slots) this.#ledger.grow();
    this.#identities.set(slot, fileIdentity(descriptor));
    this.#ledger.offer(slot, descriptor);
    return slot;
  }

  /** Ends an offer, and closes a descriptor that the client has not taken. Returns whether it did. */
  end(slot: number): boolean {
    const descriptor = this.#ledger.takeBack(slot);
    if (descriptor !== undefined) this.#calls.close(descriptor);
    // The slot stays in use while the client makes a socket of the descriptor.
    if (this.#ledger.isEmpty(slot)) {
      this.#identities.delete(slot);
      this.#free.push(slot);
    }
    return descriptor !== undefined;
  }

  /** The client has ended, and Node has closed its sockets: closes the descriptors that became none. */
  reclaimAll(): void {
    for (const [slot, identity] of this.#identities) {
      const left = this.#ledger.reclaim(slot);
      // A descriptor that the client took and made a socket of is closed, or its number is another file.
      if (left !== undefined && (!left.taken || fileIdentity(left.descriptor) === identity))
        this.#calls.close(left.descriptor);
    }
    this.#identities.clear();
  }
}
