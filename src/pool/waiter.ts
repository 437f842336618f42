import type { RunInContext } from '../async-context.js';
import type { BrokerPoolError } from '../errors.js';
import type { CachedTime } from './cached-clock.js';
import { rejectionOf } from './caller-stack.js';
import type { Lease } from './lease.js';
import type { QueuedWaiter } from './waiter-queue.js';

/** What events and leak reports tell of an acquire. */
export interface AcquireOrigin {
  /** The acquire's number in events. */
  readonly acquireId: number;
  /** The caller's stack, where leaks are watched for. */
  readonly stack: string | undefined;
  /** The caller's asynchronous context: the code that serves a waiter runs in another. */
  readonly context: RunInContext | undefined;
}

/** A caller of `acquire` that waits. Small: thousands may wait, and the garbage collector moves each. */
export class Waiter implements QueuedWaiter<Waiter> {
  next: Waiter | undefined = undefined;
  previous: Waiter | undefined = undefined;
  /** When the wait began. */
  readonly started: CachedTime;
  readonly timeoutMs: number;
  readonly origin: AcquireOrigin | undefined;
  /** Removes the abort listener. */
  stopListening: (() => void) | undefined = undefined;
  /** Connect attempts that had ended when the wait began. */
  readonly attemptsBefore: number;
  #settle: (outcome: Lease | Promise<never>) => void = waitsForNothing;

  constructor(started: CachedTime, timeoutMs: number, origin: AcquireOrigin | undefined, attemptsBefore = 0) {
    this.started = started;
    this.timeoutMs = timeoutMs;
    this.origin = origin;
    this.attemptsBefore = attemptsBefore;
  }

  /** The caller's promise; to be called once. */
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
