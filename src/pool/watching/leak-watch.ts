import { outOfContext } from '../../async-context.js';
import type { Clock, Deadline } from '../../clock.js';
import { DeadlineQueue, type Timed } from '../../deadline-queue.js';
import type { Lease } from '../lease.js';
import type { PooledConnection } from '../pooled-connection.js';

/** One lease that is watched. It must not refer to the handle, whose loss it is there to notice. */
interface Watched extends Timed {
  readonly connection: PooledConnection;
  readonly acquireId: number;
  readonly leasedAtMs: number;
  readonly stack: string;
  over: boolean;
}

/** A lease that does not come back. */
export interface Leak {
  readonly connection: PooledConnection;
  readonly acquireId: number;
  readonly heldMs: number;
  readonly stack: string;
  readonly lost: boolean;
}

/**
 * Watches leases that are out for long, and handles that are lost. It costs a stack trace with every lease:
 * for finding a leak, not for every day.
 */
export class LeakWatch {
  readonly #clock: Clock;
  readonly #thresholdMs: number;
  readonly #report: (leak: Leak) => void;
  readonly #byConnection = new Map<PooledConnection, Watched>();
  readonly #due = new DeadlineQueue<Watched>();
  readonly #handles = new FinalizationRegistry<Watched>((watched) =>
    outOfContext(() => this.#onHandleLost(watched)),
  );
  #timer: Deadline | undefined;

  constructor(clock: Clock, thresholdMs: number, report: (leak: Leak) => void) {
    this.#clock = clock;
    this.#thresholdMs = thresholdMs;
    this.#report = report;
  }

  /** @param stack from {@link callerStack}, taken when the lease was asked for */
  begin(lease: Lease, connection: PooledConnection, acquireId: number, stack: string): void {
    const leasedAtMs = this.#clock.now();
    const dueMs = leasedAtMs + this.#thresholdMs;
    const watched: Watched = { connection, acquireId, leasedAtMs, stack, over: false, dueMs, queueIndex: -1 };
    this.#byConnection.set(connection, watched);
    this.#handles.register(lease, watched, watched);
    this.#due.put(watched);
    this.#timer ??= this.#clock.deadline(this.#thresholdMs, (dueByMs) => this.#onTimer(dueByMs));
  }

  end(connection: PooledConnection): void {
    const watched = this.#byConnection.get(connection);
    if (watched === undefined) return;
    watched.over = true;
    this.#byConnection.delete(connection);
    this.#handles.unregister(watched);
    this.#due.remove(watched);
  }

  /** Ends all watches: what is lost from now on is no leak of this pool's. */
  stop(): void {
    for (const connection of this.#byConnection.keys()) this.end(connection);
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #onTimer(nowMs: number): void {
    this.#timer = undefined;
    for (let watched = this.#due.takeDue(nowMs); watched !== undefined; watched = this.#due.takeDue(nowMs)) {
      this.#report(leakOf(watched, nowMs, false));
    }
    if (this.#due.nextMs !== Infinity)
      this.#timer ??= this.#clock.deadline(this.#due.nextMs - nowMs, (dueByMs) => this.#onTimer(dueByMs));
  }

  #onHandleLost(watched: Watched): void {
    if (watched.over) return;
    this.end(watched.connection);
    this.#report(leakOf(watched, this.#clock.now(), true));
  }
}

function leakOf({ connection, acquireId, leasedAtMs, stack }: Watched, nowMs: number, lost: boolean): Leak {
  return { connection, acquireId, heldMs: nowMs - leasedAtMs, stack, lost };
}

/** A public method of the pool. Only its identity counts, and a method of any form has one. */
export type EntryPoint = (...values: never[]) => unknown;

/**
 * The stack of the caller, formatted, without the pool's own lines: it begins below the outermost of
 * `entryPoints` that is running. The engine finds that function on the stack by its identity. File names
 * would not do: they differ between systems and source maps, and in a bundle the pool and its caller are in
 * one file.
 *
 * @param entryPoints a function that may call another one of them comes before it
 */
export function callerStack(entryPoints: readonly EntryPoint[]): string {
  for (const entryPoint of entryPoints) {
    const stack = stackBelow(entryPoint);
    if (stack !== '') return stack;
  }
  return stackBelow(undefined);
}

/** Empty where the function is not running. */
function stackBelow(entryPoint: EntryPoint | undefined): string {
  const holder: { stack?: unknown } = {};
  Error.captureStackTrace(holder, entryPoint);
  // Read at once: an unread stack keeps alive what the functions on it hold, the lease included. A program
  // may format stacks in its own way.
  const { stack } = holder;
  return typeof stack === 'string' ? stack.split('\n').slice(1).join('\n') : '';
}
