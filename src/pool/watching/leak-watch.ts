import { outOfContext } from '../../async-context.js';
import type { Clock, SharedTimer } from '../../clock.js';
import { DeadlineQueue, type Timed } from '../../deadline-queue.js';
import type { Lease } from '../lease.js';
import type { PooledConnection } from '../pooled-connection.js';

/** One watched lease. It must not refer to the handle, whose loss it notices. */
interface Watched extends Timed {
  readonly connection: PooledConnection;
  readonly acquireId: number;
  readonly leasedAtMs: number;
  readonly stack: string;
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
 * Watches for leases that are out for long, and for handles that are lost. It costs a stack trace for every
 * lease: for finding a leak, not for everyday use.
 */
export class LeakWatch {
  readonly #clock: Clock;
  readonly #thresholdMs: number;
  readonly #timer: SharedTimer;
  readonly #byConnection = new Map<PooledConnection, Watched>();
  readonly #due = new DeadlineQueue<Watched>();
  readonly #handles: FinalizationRegistry<Watched>;

  /** @param onLost is called when a handle has been garbage-collected */
  constructor(clock: Clock, thresholdMs: number, timer: SharedTimer, onLost: (leak: Leak) => void) {
    this.#clock = clock;
    this.#thresholdMs = thresholdMs;
    this.#timer = timer;
    this.#handles = new FinalizationRegistry((watched) => {
      this.end(watched.connection);
      outOfContext(() => onLost(leakOf(watched, clock.now(), true)));
    });
  }

  /** When the next lease is out for too long. */
  get nextMs(): number {
    return this.#due.nextMs;
  }

  /** @param stack from {@link callerStack}, taken when the lease was asked for */
  begin(lease: Lease, connection: PooledConnection, acquireId: number, stack: string): void {
    const leasedAtMs = this.#clock.now();
    const dueMs = leasedAtMs + this.#thresholdMs;
    const watched: Watched = { connection, acquireId, leasedAtMs, stack, dueMs, queueIndex: -1 };
    this.#byConnection.set(connection, watched);
    this.#handles.register(lease, watched, watched);
    this.#due.put(watched);
    this.#timer.set(dueMs);
  }

  end(connection: PooledConnection): void {
    const watched = this.#byConnection.get(connection);
    if (watched === undefined) return;
    this.#byConnection.delete(connection);
    this.#handles.unregister(watched);
    this.#due.remove(watched);
  }

  /** Ends all watches: a handle that is lost from now on is no leak of this pool. */
  stop(): void {
    for (const connection of this.#byConnection.keys()) this.end(connection);
  }

  /** The next lease that is out for too long by `nowMs`. */
  takeDue(nowMs: number): Leak | undefined {
    const watched = this.#due.takeDue(nowMs);
    return watched && leakOf(watched, nowMs, false);
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
