import type { BrokerPoolError } from '../errors.js';
import { acquireTimeoutError, type PoolSnapshot } from './acquire-errors.js';
import type { AcquireQueue, Waiter } from './acquire-queue.js';
import type { ConnectionOpener } from './connecting/connection-opener.js';
import type { ConnectionCloser } from './connection-closer.js';
import type { EntryList } from './containers.js';
import type { PooledConnection } from './pooled-connection.js';
import type { TargetLimits } from './target-limits.js';

/**
 * The failures of callers that wait for one target. The caller of `fail` and `failAll` runs the pump, and that of
 * `expire` where it returns true.
 */
export class WaiterFailures {
  readonly #queue: AcquireQueue;
  readonly #entries: EntryList<PooledConnection>;
  readonly #limits: TargetLimits;
  readonly #opener: ConnectionOpener;
  readonly #closer: ConnectionCloser;

  constructor(
    queue: AcquireQueue,
    entries: EntryList<PooledConnection>,
    limits: TargetLimits,
    opener: ConnectionOpener,
    closer: ConnectionCloser,
  ) {
    this.#queue = queue;
    this.#entries = entries;
    this.#limits = limits;
    this.#opener = opener;
    this.#closer = closer;
  }

  /** The state of the target that errors tell. */
  snapshot(): PoolSnapshot {
    const { size: total, idle, leased, detached } = this.#entries;
    const { target, attempts } = this.#opener;
    const { max, waiting, holding } = this.#limits;
    const connecting = holding.size;
    return { target, max, total, idle, leased, detached, connecting, waiting, attempts: attempts.begun };
  }

  /** Fails one caller. */
  fail(waiter: Waiter, failure: BrokerPoolError): void {
    this.#queue.fail(waiter, failure, false, this.snapshot());
  }

  /** Fails all callers. @param isShared whether other callers may have the same failure */
  failAll(failure: BrokerPoolError, isShared: boolean): void {
    for (let waiter = this.#queue.first; waiter !== undefined; waiter = this.#queue.first)
      this.#queue.fail(waiter, failure, isShared, this.snapshot());
  }

  /** Fails the callers whose time is up by `dueByMs`. Returns whether there was one. */
  expire(dueByMs: number): boolean {
    const expired = this.#queue.sweep(dueByMs);
    for (const waiter of expired) {
      // The end of one waiter may have been the end of others.
      if (!this.#queue.includes(waiter)) continue;
      this.#queue.timeouts += 1;
      this.fail(waiter, this.timeoutError(waiter.terms.timeoutMs));
    }
    return expired.length > 0;
  }

  /** The error of a caller whose time is up, with what the caller has waited for. */
  timeoutError(timeoutMs: number): BrokerPoolError {
    const validates = this.#entries.reserved > this.#closer.draining;
    const phase = this.#opener.phase(this.#limits.mayOpen) ?? (validates ? 'validate' : 'queue');
    return acquireTimeoutError(timeoutMs, phase, this.#opener.lastError);
  }
}
