import type { BrokerPoolError } from '../errors.js';
import type { BagWaiter } from './bag.js';
import type { Lease } from './lease.js';
import type { TurnTime } from './turn.js';

/** What events and leak reports tell of an acquire. */
export interface AcquireOrigin {
  /** The acquire's number in events. */
  readonly acquireId: number;
  /** Where it was asked for, if leaks are looked for. */
  readonly stack: string | undefined;
}

/** A caller of `acquire` that waits for a connection. Thousands may wait at once, and the garbage collector moves each of them about. */
export class Waiter implements BagWaiter<Waiter> {
  queued = false;
  next: Waiter | undefined = undefined;
  previous: Waiter | undefined = undefined;
  /** When the wait began. */
  readonly started: TurnTime;
  readonly timeoutMs: number;
  readonly origin: AcquireOrigin | undefined;
  /** What the caller waits for. */
  readonly lease: Promise<Lease>;
  readonly resolve: (lease: Lease) => void;
  readonly reject: (error: BrokerPoolError) => void;
  /** Takes the abort listener away. */
  stopListening: (() => void) | undefined = undefined;

  constructor(started: TurnTime, timeoutMs: number, origin: AcquireOrigin | undefined) {
    this.started = started;
    this.timeoutMs = timeoutMs;
    this.origin = origin;
    this.lease = new Promise(keep);
    this.resolve = kept.resolve;
    this.reject = kept.reject;
    // They would keep the last lease alive, and its handle could not be seen to be lost.
    kept.resolve = forget;
    kept.reject = forget;
  }
}

/** The functions of the promise that was made last. One function that keeps them serves all waiters; a closure for each would be garbage. */
const kept: { resolve: (lease: Lease) => void; reject: (error: BrokerPoolError) => void } = { resolve: forget, reject: forget };

function forget(): void {}

function keep(resolve: (lease: Lease) => void, reject: (error: BrokerPoolError) => void): void {
  kept.resolve = resolve;
  kept.reject = reject;
}
