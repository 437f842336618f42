import type { SystemCalls } from '../../os/native.js';
import type { Poller } from '../../os/watch.js';
import type { Wait } from './wait.js';
import type { Debt, SharedWaitState } from './wait-protocol.js';

/**
 * The descriptors of the jobs in a wait loop: open, in the ledger, on watch. The ledger knows each from right
 * after it is opened to right before it is closed; in between it says what a broker would have to be paid if
 * the thread died now.
 */
export class WaitDescriptors {
  readonly #system: SystemCalls;
  readonly #poller: Poller;
  readonly #shared: SharedWaitState;
  readonly #watched = new Map<number, Wait>();

  constructor(system: SystemCalls, poller: Poller, shared: SharedWaitState) {
    this.#system = system;
    this.#poller = poller;
    this.#shared = shared;
  }

  /** The job for which a descriptor is on watch. */
  at(descriptor: number): Wait | undefined {
    return this.#watched.get(descriptor);
  }

  /** Opens a socket for a job. Returns the negated errno if that fails. */
  open(wait: Wait, debt: Debt): number {
    const descriptor = this.#system.openSocket();
    if (descriptor < 0) return descriptor;
    wait.descriptor = descriptor;
    this.owe(wait, debt);
    return descriptor;
  }

  owe(wait: Wait, debt: Debt): void {
    this.#shared.own(wait.slot, wait.descriptor, debt);
  }

  /**
   * Puts a job's descriptor on watch, unless the main thread has. Returns the negated errno if that fails.
   */
  watch(wait: Wait, watched: boolean): number {
    const added = watched ? 0 : this.#poller.add(wait.descriptor);
    if (added >= 0) this.#watched.set(wait.descriptor, wait);
    return added;
  }

  /**
   * Lets go of the descriptor. It stays in the ledger until the main thread has taken it out of the outcome.
   */
  handBack(wait: Wait): number {
    const { descriptor } = wait;
    this.#unwatch(wait);
    wait.descriptor = -1;
    return descriptor;
  }

  close(wait: Wait): void {
    if (wait.descriptor < 0) return;
    this.#unwatch(wait);
    // Not after the close: the number may be somebody else's then, and whoever clears up after a dead thread
    // would close it.
    this.#shared.disown(wait.slot);
    this.#system.close(wait.descriptor);
    wait.descriptor = -1;
  }

  /** Before a descriptor changes hands or closes: its number may come back as somebody else's. */
  #unwatch(wait: Wait): void {
    if (this.#watched.delete(wait.descriptor)) this.#poller.remove(wait.descriptor);
  }
}
