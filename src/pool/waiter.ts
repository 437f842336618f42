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
  /** Takes the abort listener away. */
  stopListening: (() => void) | undefined = undefined;
  /** Ends the wait, with a lease or with a promise that rejects: to keep a second function for that would cost its memory. */
  settle: (outcome: Lease | Promise<never>) => void = waitsForNothing;

  constructor(started: TurnTime, timeoutMs: number, origin: AcquireOrigin | undefined) {
    this.started = started;
    this.timeoutMs = timeoutMs;
    this.origin = origin;
  }

  /** What the caller waits for; to be called once. */
  wait(): Promise<Lease> {
    return new Promise((resolve) => {
      this.settle = resolve;
    });
  }
}

function waitsForNothing(): void {}
