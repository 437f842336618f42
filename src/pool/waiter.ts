import type { RunInContext } from '../async-context.js';
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
  /** The asynchronous context of a caller who waits: what serves it runs in another. */
  readonly context: RunInContext | undefined;
}

/** A caller of `acquire` that waits for a connection. Thousands may wait at once, and the garbage collector moves each of them about. */
export class Waiter implements BagWaiter<Waiter> {
  next: Waiter | undefined = undefined;
  previous: Waiter | undefined = undefined;
  /** When the wait began. */
  readonly started: TurnTime;
  readonly timeoutMs: number;
  readonly origin: AcquireOrigin | undefined;
  /** Takes the abort listener away. */
  stopListening: (() => void) | undefined = undefined;
  #settle: (outcome: Lease | Failure) => void = waitsForNothing;

  constructor(started: TurnTime, timeoutMs: number, origin: AcquireOrigin | undefined) {
    this.started = started;
    this.timeoutMs = timeoutMs;
    this.origin = origin;
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
    this.#settle(new Failure(error));
  }
}

function waitsForNothing(): void {}

/**
 * A promise that is resolved with it asks it for `then`, and rejects with what that throws. So a waiter need not keep its promise's `reject`
 * for a case that hardly ever comes: beside everything else a caller waits with, that function is an eighth of the memory.
 */
class Failure implements PromiseLike<never> {
  readonly #error: BrokerPoolError;

  constructor(error: BrokerPoolError) {
    this.#error = error;
  }

  // oxlint-disable-next-line unicorn/no-thenable -- to be asked for `then` is what it is for
  get then(): never {
    throw this.#error;
  }
}
