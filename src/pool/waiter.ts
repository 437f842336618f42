import type { BrokerPoolError } from '../errors.js';
import type { BagWaiter } from './bag.js';
import type { Lease } from './lease.js';

/** A caller of `acquire` that waits for a connection. */
export class Waiter implements BagWaiter<Waiter> {
  queued = false;
  next: Waiter | undefined;
  previous: Waiter | undefined;
  readonly deadlineMs: number;
  readonly resolve: (lease: Lease) => void;
  readonly #reject: (error: BrokerPoolError) => void;
  /** Takes timer and abort listener away. */
  stopWatching: () => void = () => {};

  constructor(deadlineMs: number, resolve: (lease: Lease) => void, reject: (error: BrokerPoolError) => void) {
    this.deadlineMs = deadlineMs;
    this.resolve = resolve;
    this.#reject = reject;
  }

  reject(error: BrokerPoolError): void {
    this.stopWatching();
    this.#reject(error);
  }
}
