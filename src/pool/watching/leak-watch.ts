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
 * Watches leases that are out for long, and handles that are lost. It costs a stack trace with every lease: for finding a leak, not
 * for every day.
 */
export class LeakWatch {
  readonly #clock: Clock;
  readonly #thresholdMs: number;
  readonly #report: (leak: Leak) => void;
  readonly #byConnection = new Map<PooledConnection, Watched>();
  readonly #due = new DeadlineQueue<Watched>();
  readonly #handles = new FinalizationRegistry<Watched>((watched) => this.#onHandleLost(watched));
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
    this.#timer ??= this.#clock.deadline(this.#thresholdMs, () => this.#onTimer());
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

  #onTimer(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.now();
    for (let watched = this.#due.takeDue(nowMs); watched !== undefined; watched = this.#due.takeDue(nowMs)) {
      this.#report(leakOf(watched, nowMs, false));
    }
    if (this.#due.nextMs !== Infinity) this.#timer ??= this.#clock.deadline(this.#due.nextMs - nowMs, () => this.#onTimer());
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

/** Where the pool is, and where source maps say that it is, so that a stack can begin with the first line outside it. */
const POOL_FOLDERS = ['..', '../../../../src/pool/'].map((path) => new URL(path, import.meta.url).pathname);

/** Who is calling the pool, without the pool's own lines. */
export function callerStack(): string {
  const lines = (new Error('acquired').stack ?? '').split('\n').slice(1);
  const outside = lines.filter((line) => !POOL_FOLDERS.some((folder) => line.includes(folder)));
  return (outside.length > 0 ? outside : lines).join('\n');
}
