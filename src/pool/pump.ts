import type { Clock } from '../clock.js';
import type { Bag } from './bag.js';
import type { Capacity, CapacityUser } from './capacity.js';
import type { ConnectionOpener } from './connecting/connection-opener.js';
import type { ConnectionCloser } from './connection-closer.js';
import type { HealthChecks } from './health-check.js';
import type { PooledConnection } from './pooled-connection.js';
import type { Waiter } from './waiter.js';
import type { AcquireQueue } from './acquire-queue.js';

/** What the pump needs of its surroundings. */
export interface PumpEnvironment {
  readonly clock: Clock;
  readonly settings: { readonly min: number; readonly max: number };
  readonly capacity: Capacity | undefined;
  /** Something came to an end; a closing pool looks whether that was the last. */
  onQuieter(): void;
}

/** What the pump sets in motion. */
export interface PumpParts {
  readonly bag: Bag<PooledConnection, Waiter>;
  readonly opener: ConnectionOpener;
  readonly health: HealthChecks;
  readonly queue: AcquireQueue;
  readonly closer: ConnectionCloser;
}

/** The target pool, as its pump sees it. */
export interface PumpOwner extends CapacityUser {
  /** Only those who wait are still served; nothing is kept. */
  readonly closing: boolean;
  /**
   * Leases the newest idle connection, unless it must be validated first.
   *
   * @param validated one that has just been validated, and is good for one waiter without being validated
   * again
   */
  borrow(validated?: PooledConnection): PooledConnection | undefined;
}

/**
 * Brings the connections of a target to those who wait for them, and sees to it that there are enough: idle
 * ones first, then a validation or a connect for each who still waits, then what `min` asks for. Whatever
 * changes what the target has runs it, or somebody would wait beside a connection that is free; only one that
 * comes back while somebody waits goes straight to whoever stands first.
 */
export class Pump {
  readonly #environment: PumpEnvironment;
  readonly #bag: Bag<PooledConnection, Waiter>;
  readonly #opener: ConnectionOpener;
  readonly #health: HealthChecks;
  readonly #queue: AcquireQueue;
  readonly #closer: ConnectionCloser;
  readonly #owner: PumpOwner;
  #keepsMinimum = false;
  /** 1 while it runs, more if it has been run meanwhile. */
  #runsDue = 0;

  constructor(
    environment: PumpEnvironment,
    { bag, opener, health, queue, closer }: PumpParts,
    owner: PumpOwner,
  ) {
    this.#environment = environment;
    this.#bag = bag;
    this.#opener = opener;
    this.#health = health;
    this.#queue = queue;
    this.#closer = closer;
    this.#owner = owner;
  }

  /** How many connections are kept open. */
  get minimum(): number {
    const { min, max } = this.#environment.settings;
    return this.#owner.closing || !this.#keepsMinimum ? 0 : Math.min(min, max);
  }

  /** Whether so many are open. */
  get warm(): boolean {
    return this.#bag.size >= this.minimum;
  }

  /** Whether there are more connections than are to be kept open. */
  get hasSpare(): boolean {
    return this.#bag.size > this.minimum;
  }

  /**
   * How many callers can be served without anybody giving a connection back: by what is idle, validated or
   * under way, and by what may be opened.
   */
  get places(): number {
    return this.#owner.held - this.#bag.leased + this.mayOpen;
  }

  /** How many connections may be opened by the limits. */
  get mayOpen(): number {
    const { settings, capacity } = this.#environment;
    const mayOpen = settings.max - this.#owner.held;
    return capacity === undefined ? mayOpen : Math.min(mayOpen, capacity.availableFor(this.#owner));
  }

  /** From now on `min` holds. */
  keepMinimum(): void {
    this.#keepsMinimum = true;
  }

  /**
   * @param validated an idle connection that has just been validated, and is good for one waiter without
   * being validated again
   */
  run(validated?: PooledConnection): void {
    // Listeners of events, and other targets that make room, may call back in the middle of it.
    this.#runsDue += 1;
    if (this.#runsDue > 1) return;
    let fresh = validated;
    try {
      do {
        this.#runsDue = 1;
        this.#serveWaiters(fresh);
        this.#findMore();
        this.#makeRoom();
        this.keepWarm();
        fresh = undefined;
      } while (this.#runsDue > 1);
    } finally {
      // A run that was left counted would keep every later one from starting.
      this.#runsDue = 0;
    }
    if (this.#owner.closing) this.#closeWhatIsLeft();
  }

  /** Begins a connect for nobody, where one is missing and may begin. */
  keepWarm(): void {
    while (this.#owner.held < this.minimum && this.#opener.openSpare());
  }

  /**
   * A connection was validated, and is idle again. With `wanted` it is good for the next waiter without
   * another check.
   */
  onHealthy(connection: PooledConnection, wanted: boolean): void {
    // The keepalive of a spare connection leaves it as old as it was.
    if (wanted) connection.rest(this.#environment.clock.now());
    this.run(wanted ? connection : undefined);
  }

  #serveWaiters(validated: PooledConnection | undefined): void {
    while (this.#bag.waiting > 0) {
      const connection = this.#owner.borrow(validated);
      if (connection === undefined) return;
      this.#queue.serveFirst(connection);
    }
  }

  /** One validation or connect under way for everybody who waits, as far as the limits allow. */
  #findMore(): void {
    this.#health.expectAtMost(this.#bag.waiting);
    if (this.#bag.waiting === 0) this.#opener.connects.dropUnwanted();
    while (this.#opener.connects.expected + this.#health.expected < this.#bag.waiting) {
      const idle = this.#bag.newestIdle;
      if (idle !== undefined) void this.#health.check(idle, true);
      else if (!this.#opener.open()) return;
    }
    this.#environment.capacity?.leaveLine(this.#owner);
  }

  /** Without callers, what is idle or under way here may stand in the way of another target. */
  #makeRoom(): void {
    const { capacity } = this.#environment;
    while (this.#owner.spare > 0 && this.#bag.waiting === 0 && capacity?.shouldYield(this.#owner) === true) {
      if (!this.#closer.evictIdle()) this.#opener.connects.yieldPlace();
    }
  }

  #closeWhatIsLeft(): void {
    if (this.#bag.waiting > 0) return;
    for (const connection of this.#bag.idleEntries()) this.#closer.remove(connection, 'poolClosed');
    this.#environment.onQuieter();
  }
}
