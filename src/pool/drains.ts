import type { Clock } from '../clock.js';
import type { Bag } from './bag.js';
import { afterDrain } from './drain.js';
import type { PooledConnection } from './pooled-connection.js';
import type { Waiter } from './waiter.js';

/** The target pool, as its drains see it. */
export interface DrainsOwner {
  /** @param drained false where the connection cannot go to another caller */
  onDrained(connection: PooledConnection, drained: boolean): void;
}

/**
 * Connections that came back before their last bytes had left. Each is reserved meanwhile, so that no caller
 * can lease it.
 */
export class Drains {
  readonly #bag: Bag<PooledConnection, Waiter>;
  readonly #clock: Clock;
  readonly #owner: DrainsOwner;
  readonly #underWay = new Map<PooledConnection, () => void>();

  constructor(bag: Bag<PooledConnection, Waiter>, clock: Clock, owner: DrainsOwner) {
    this.#bag = bag;
    this.#clock = clock;
    this.#owner = owner;
  }

  get size(): number {
    return this.#underWay.size;
  }

  /** Reserves a leased connection until its last bytes have left. */
  begin(connection: PooledConnection): void {
    this.#bag.reserve(connection);
    const stop = afterDrain(connection.socket, this.#clock, (drained) => {
      this.#underWay.delete(connection);
      this.#owner.onDrained(connection, drained);
    });
    this.#underWay.set(connection, stop);
  }

  /** The connection closes. */
  stop(connection: PooledConnection): void {
    this.#underWay.get(connection)?.();
    this.#underWay.delete(connection);
  }
}
