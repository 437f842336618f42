import type { BrokerPoolError } from '../errors.js';
import type { BagWaiter } from './bag.js';
import type { Lease } from './lease.js';

/** A caller of `acquire` that waits for a connection. */
export class Waiter implements BagWaiter<Waiter> {
  queued = false;
  next: Waiter | undefined;
  previous: Waiter | undefined;
  /** When the wait began, on the monotonic clock. */
  startedMs: number;
  readonly timeoutMs: number;
  /** The acquire's number in events; 0 where nobody has asked for it. */
  readonly acquireId: number;
  readonly resolve: (lease: Lease) => void;
  readonly reject: (error: BrokerPoolError) => void;
  /** Where it was asked for, if leaks are looked for. */
  stack: string | undefined = undefined;
  /** Takes the abort listener away. */
  stopListening: (() => void) | undefined = undefined;

  constructor(
    acquireId: number,
    startedMs: number,
    timeoutMs: number,
    resolve: (lease: Lease) => void,
    reject: (error: BrokerPoolError) => void,
  ) {
    this.acquireId = acquireId;
    this.startedMs = startedMs;
    this.timeoutMs = timeoutMs;
    this.resolve = resolve;
    this.reject = reject;
  }
}
