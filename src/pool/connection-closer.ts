import type { Clock } from '../clock.js';
import type { BrokerPoolError } from '../errors.js';
import { explainedError } from '../explained-error.js';
import type { Bag } from './bag.js';
import type { Capacity } from './capacity.js';
import type { ConnectionOpener } from './connecting/connection-opener.js';
import type { CloseReason, PooledConnection } from './pooled-connection.js';
import type { Reaper } from './reaper.js';
import type { Waiter } from './waiter.js';
import type { EventSources } from './watching/event-sources.js';
import type { Counters } from './watching/stats.js';

/** What the closer needs of its surroundings. */
export interface ConnectionCloserEnvironment {
  readonly clock: Clock;
  readonly events: EventSources;
  readonly capacity: Capacity | undefined;
}

/**
 * The one way out for the connections of a target. Whoever closed one in another way would leave its place in
 * the whole pool taken for ever, its close uncounted and untold, or an endpoint in the cache that is gone.
 *
 * It serves nobody: what becomes of the place is up to the pump.
 */
export class ConnectionCloser {
  readonly #environment: ConnectionCloserEnvironment;
  readonly #bag: Bag<PooledConnection, Waiter>;
  readonly #opener: ConnectionOpener;
  readonly #reaper: Reaper;
  readonly #counters: Counters;

  constructor(
    environment: ConnectionCloserEnvironment,
    bag: Bag<PooledConnection, Waiter>,
    opener: ConnectionOpener,
    reaper: Reaper,
    counters: Counters,
  ) {
    this.#environment = environment;
    this.#bag = bag;
    this.#opener = opener;
    this.#reaper = reaper;
    this.#counters = counters;
  }

  /** Closes a connection, idle, leased or reserved. Returns false if that has been done already. */
  remove(connection: PooledConnection, reason: CloseReason, error?: BrokerPoolError): boolean {
    if (!this.#bag.remove(connection)) return false;
    // Its lease may still come back.
    connection.closeOnRelease ??= reason;
    this.#reaper.remove(connection);
    this.#counters.closedByReason[reason] += 1;
    this.#counters.acquiredByRoute[connection.route] += connection.uses;
    this.#opener.onClosed(connection, reason);
    connection.destroy();
    this.#tell(connection, reason, error);
    this.#environment.capacity?.giveBack();
    return true;
  }

  /** Closes the connection that has been idle longest. Returns false where none is idle. */
  evictIdle(): boolean {
    const connection = this.#bag.oldestIdle;
    return connection !== undefined && this.remove(connection, 'evicted');
  }

  /** Closes what is idle now, and the rest when it comes back. */
  retireAll(reason: CloseReason): void {
    for (const connection of this.#bag.entries()) {
      if (connection.state === 'idle') this.remove(connection, reason);
      else connection.closeOnRelease ??= reason;
    }
  }

  #tell(
    { id: connectionId, bornMs, uses }: PooledConnection,
    reason: CloseReason,
    error: BrokerPoolError | undefined,
  ): void {
    const { clock, events } = this.#environment;
    if (!events.connectionClosed.wanted) return;
    const ageMs = clock.now() - bornMs;
    const { target } = this.#opener;
    events.connectionClosed.publish({
      pool: events.pool,
      target,
      connectionId,
      reason,
      wasReady: true,
      ageMs,
      uses,
      ...(error && { error: explainedError(error, target) }),
    });
  }
}
