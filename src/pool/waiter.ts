import type { RunInContext } from '../async-context.js';
import type { BrokerPoolError } from '../errors.js';
import type { BagWaiter } from './bag.js';
import { rejectionOf } from './caller-stack.js';
import type { Lease } from './lease.js';
import type { CachedTime } from './cached-clock.js';

/** What events and leak reports tell of an acquire. */
export interface AcquireOrigin {
  /** The acquire's number in events. */
  readonly acquireId: number;
  /** Where it was asked for, if leaks are looked for. */
  readonly stack: string | undefined;
  /** The asynchronous context of a caller who waits: what serves it runs in another. */
  readonly context: RunInContext | undefined;
}

/**
 * A caller of `acquire` that waits for a connection. Thousands may wait at once, and the garbage collector
 * moves each of them about.
 */
export class Waiter implements BagWaiter<Waiter> {
  next: Waiter | undefined = undefined;
  previous: Waiter | undefined = undefined;
  /** When the wait began. */
  readonly started: CachedTime;
  readonly timeoutMs: number;
  readonly origin: AcquireOrigin | undefined;
  /** Takes the abort listener away. */
  stopListening: (() => void) | undefined = undefined;
  /** Attempts to connect that had ended when the wait began. */
  readonly attemptsBefore: number;
  #settle: (outcome: Lease | Promise<never>) => void = waitsForNothing;

  constructor(started: CachedTime, timeoutMs: number, origin: AcquireOrigin | undefined, attemptsBefore = 0) {
    this.started = started;
    this.timeoutMs = timeoutMs;
    this.origin = origin;
    this.attemptsBefore = attemptsBefore;
  }

  /** What the caller waits for; to be called once. */
  wait(): Promise<Lease> {
    return new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  serve(lease: Lease): void {
    this.#settle(lease);
  }

  fail(error: BrokerPoolError): void {
    this.#settle(rejectionOf(error));
  }
}

function waitsForNothing(): void {}
