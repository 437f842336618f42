import type { SystemCalls } from '../../os/native.js';
import type { Poller } from '../../os/poller-kinds.js';
import type { ActiveJob } from './active-job.js';
import { CloseObligation, type SharedThreadState } from './thread-protocol.js';

/**
 * The descriptors of the jobs in a poll loop: open, in the ledger, on watch. The ledger holds each from right
 * after it is opened to right before it is closed, and with it what must happen before the close if the
 * thread died now.
 */
export class JobDescriptors {
  readonly #system: SystemCalls;
  readonly #poller: Poller;
  readonly #shared: SharedThreadState;
  readonly #watched = new Map<number, ActiveJob>();

  constructor(system: SystemCalls, poller: Poller, shared: SharedThreadState) {
    this.#system = system;
    this.#poller = poller;
    this.#shared = shared;
  }

  /** The job for which a descriptor is on watch. */
  at(descriptor: number): ActiveJob | undefined {
    return this.#watched.get(descriptor);
  }

  /** Opens a socket for a job. Returns the negated errno if that fails. */
  open(active: ActiveJob): number | undefined {
    const descriptor = this.#system.openSocket();
    if (descriptor < 0) return descriptor;
    active.descriptor = descriptor;
    const isBroker = active.negotiated === undefined;
    this.setObligation(active, isBroker ? CloseObligation.SEND_REQUEST : CloseObligation.NONE);
    return undefined;
  }

  setObligation(active: ActiveJob, obligation: CloseObligation): void {
    this.#shared.own(active.slot, active.descriptor, obligation);
  }

  /**
   * Puts a job's descriptor on watch, unless the main thread has. Returns the negated errno if that fails.
   */
  watch(active: ActiveJob, watched: boolean): number {
    const added = watched ? 0 : this.#poller.add(active.descriptor);
    if (added >= 0) this.#watched.set(active.descriptor, active);
    return added;
  }

  /**
   * Lets go of the descriptor. It stays in the ledger until the main thread has taken it out of the outcome.
   */
  handBack(active: ActiveJob): number {
    const { descriptor } = active;
    this.#unwatch(active);
    active.descriptor = -1;
    return descriptor;
  }

  close(active: ActiveJob): void {
    if (active.descriptor < 0) return;
    this.#unwatch(active);
    // Not after the close: another thread may own the number then, and the recovery after a dead thread would
    // close it.
    this.#shared.disown(active.slot);
    this.#system.close(active.descriptor);
    active.descriptor = -1;
  }

  /** Called before a descriptor is handed over or closed: its number may come back as that of another file. */
  #unwatch(active: ActiveJob): void {
    if (this.#watched.delete(active.descriptor)) this.#poller.remove(active.descriptor);
  }
}
