import type { BrokerPoolError } from '../errors.js';
import { explainedError } from '../explained-error.js';
import type { ConnectionOpener } from './connecting/connection-opener.js';
import type { SharedTimer } from '../deadline-queue.js';
import { afterDrain } from './drain.js';
import type { EntryList } from './entry-list.js';
import type { PoolEnvironment } from './pool-environment.js';
import type { CloseReason } from './close-reason.js';
import type { PooledConnection } from './pooled-connection.js';
import type { Reaper } from './reaper.js';

/**
 * Closes the connections of a target. A connection closed in another way would keep its slot of `maxTotal`
 * for ever, be missing in counts and events, and leave a dead endpoint in the cache.
 *
 * It serves no waiter: the caller runs the pump.
 */
export class ConnectionCloser {
  readonly #environment: PoolEnvironment;
  readonly #entries: EntryList<PooledConnection>;
  readonly #opener: ConnectionOpener;
  readonly #reaper: Reaper;
  readonly #timer: SharedTimer;
  /** Released connections whose last bytes have not left, each with the function that stops the wait. */
  readonly #drains = new Map<PooledConnection, () => void>();

  constructor(
    environment: PoolEnvironment,
    entries: EntryList<PooledConnection>,
    opener: ConnectionOpener,
    reaper: Reaper,
    timer: SharedTimer,
  ) {
    this.#environment = environment;
    this.#entries = entries;
    this.#opener = opener;
    this.#reaper = reaper;
    this.#timer = timer;
  }

  /** Closes an idle, leased or reserved connection. Returns false if that has been done already. */
  close(connection: PooledConnection, reason: CloseReason, error?: BrokerPoolError): boolean {
    if (!this.#entries.remove(connection)) return false;
    this.#drains.get(connection)?.();
    this.#drains.delete(connection);
    // Its lease may still come back.
    connection.closeOnRelease ??= reason;
    this.#reaper.remove(connection);
    if (this.#entries.size === 0) this.#timer.cancelUnlessKeptAlive();
    this.#opener.counters.closedByReason[reason] += 1;
    this.#opener.counters.acquiredByRoute[connection.route] += connection.uses;
    this.#opener.onClosed(connection, reason);
    connection.destroy();
    const { clock, events, capacity } = this.#environment;
    if (events.connectionClosed.wanted) {
      const { id: connectionId, bornMs, uses } = connection;
      const { target } = this.#opener;
      events.connectionClosed.publish({
        pool: events.pool,
        target,
        connectionId,
        reason,
        wasReady: true,
        ageMs: clock.now() - bornMs,
        uses,
        ...(error && { error: explainedError(error, target) }),
      });
    }
    capacity?.release();
    return true;
  }

  /** How many released connections wait for their last bytes to leave. */
  get draining(): number {
    return this.#drains.size;
  }

  /** Reserves a released connection until its last bytes have left; `then` hears whether they have. */
  drain(connection: PooledConnection, then: (hasDrained: boolean) => void): void {
    this.#entries.reserve(connection);
    const stop = afterDrain(connection.socket, this.#environment.clock, (hasDrained) => {
      this.#drains.delete(connection);
      then(hasDrained);
    });
    this.#drains.set(connection, stop);
  }

  /** Closes the connection that has been idle longest. Returns false where none is idle. */
  evictIdle(): boolean {
    const connection = this.#entries.oldestIdle;
    return connection !== undefined && this.close(connection, 'evicted');
  }

  /** Closes idle connections now, leased ones when they come back, detached ones when they are at rest. */
  closeAll(reason: CloseReason): void {
    for (const connection of this.#entries.entries()) {
      if (connection.state === 'idle') this.close(connection, reason);
      else if (connection.state === 'detached') connection.retire(reason);
      else connection.closeOnRelease ??= reason;
    }
  }
}
