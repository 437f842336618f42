import type { AcquireQueue } from './acquire-queue.js';
import type { Capacity, CapacityUser } from './capacity.js';
import { LinkedQueue, type EntryList, type QueueItem } from './containers.js';
import type { PoolSettings } from './options.js';
import type { PooledConnection } from './pooled-connection.js';
import type { TargetCounts } from './watching/stats.js';

/** One connect of a target, with all its attempts. */
export interface PendingConnect extends QueueItem<PendingConnect> {
  readonly id: number;
  readonly startedMs: number;
  /** How often the target had been cleared when it began. */
  readonly generation: number;
  /** Whether it began to maintain `min`, without a caller. */
  readonly spare: boolean;
  /** Whether the connect ends because no caller waits any more, which is no failure of the target. */
  dropped: boolean;
  /** Whether it held a slot when it ended. */
  hadSlot: boolean;
  /** Set while it waits for a slot to try again; called with whether to. */
  resume: ((isWanted: boolean) => void) | undefined;
}

/**
 * How many connections a target may and must have (`max`, `maxConnecting`, `min`, its share of `maxTotal`), and
 * its connects under way with their slots of `maxTotal`. An attempt holds a slot; a pause does not. While no
 * caller waits, an attempt yields its slot to another target that needs one, and goes on without.
 */
export class TargetLimits implements CapacityUser {
  readonly capacity: Capacity | undefined;
  readonly evictIdle: () => boolean;
  readonly pump: () => void;
  /** Only callers that wait are still served; no connection is kept. */
  closing = false;
  /** Whether `min` holds. */
  keepsMinimum = false;
  /** Connects that have begun and not ended; a field, since each caller that begins to wait reads it. */
  connects = 0;
  // These three are changed here only.
  /** Each connect enters and leaves: the tables of a `Set` would keep connects until a full collection. */
  readonly holding = new LinkedQueue<PendingConnect>();
  readonly pausing = new Set<PendingConnect>();
  /** Connects without a slot that need one, to try again or for the connection that they bring. */
  readonly lacking = new Set<PendingConnect>();
  /** The option `max`. */
  readonly max: number;
  readonly #settings: PoolSettings;
  readonly #entries: EntryList<PooledConnection>;
  readonly #queue: AcquireQueue;

  constructor(
    settings: PoolSettings,
    capacity: Capacity | undefined,
    entries: EntryList<PooledConnection>,
    queue: AcquireQueue,
    evictIdle: () => boolean,
    pump: () => void,
  ) {
    this.capacity = capacity;
    this.evictIdle = evictIdle;
    this.pump = pump;
    this.max = settings.max;
    this.#settings = settings;
    this.#entries = entries;
    this.#queue = queue;
  }

  get held(): number {
    return this.#entries.size + this.holding.size;
  }

  get spare(): number {
    return this.#entries.idle + this.holding.size;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  get idleSinceMs(): number {
    return this.#entries.oldestIdle?.idleFromMs(Number.MAX_VALUE) ?? Infinity;
  }

  /** The counts that stats and errors tell. */
  get counts(): TargetCounts {
    const { size: total, idle, leased, detached } = this.#entries;
    const pausing = this.pausing.size + this.lacking.size;
    const connecting = this.holding.size;
    return { total, idle, leased, detached, connecting, pausing, waiting: this.waiting };
  }

  /** How many connections are kept open. */
  get minimum(): number {
    return this.closing || !this.keepsMinimum ? 0 : this.#settings.min;
  }

  /** Whether as many connections are open as {@link TargetLimits.minimum} says. */
  get isWarm(): boolean {
    return this.#entries.size - this.#entries.detached >= this.minimum;
  }

  /** Whether the target has no connections, connects or callers, and keeps nothing warm. */
  get isUnused(): boolean {
    return this.held === 0 && this.connects === 0 && this.waiting === 0 && this.minimum === 0;
  }

  /** How many more connections may be opened. */
  get mayOpen(): number {
    const mayOpen = this.max - this.held;
    return this.capacity === undefined ? mayOpen : Math.min(mayOpen, this.capacity.availableFor(this));
  }

  /** Callers that can be served although no other caller gives a connection back. */
  get places(): number {
    return this.held - this.#entries.leased - this.#entries.detached + this.mayOpen;
  }

  /** Callers that wait for connections of other callers. Another target that needs a slot counts as one caller. */
  get unserved(): number {
    const own = this.waiting > 0 ? this.waiting - this.places : 0;
    return own <= 0 && this.capacity?.isWantedOf(this) ? 1 : own;
  }

  /** Callers that can rely on a connect under way without another slot. */
  get expected(): number {
    return this.holding.size + this.pausing.size;
  }

  /** Whether `max` and `maxConnecting` leave room for another connect. */
  belowLimits(): boolean {
    return this.connects < this.#settings.maxConnecting && this.#entries.size + this.connects < this.max;
  }

  /** Why a connection that has just come back is not kept: another target needs its slot. */
  get whyNotKeep(): 'evicted' | undefined {
    return this.capacity?.shouldYield(this) ? 'evicted' : undefined;
  }

  /** A connect begins, for which a slot has been taken. */
  begin(id: number, startedMs: number, generation: number, spare: boolean): PendingConnect {
    const connect: PendingConnect = {
      id,
      startedMs,
      generation,
      spare,
      dropped: false,
      hadSlot: false,
      resume: undefined,
      next: undefined,
      previous: undefined,
    };
    this.connects += 1;
    this.holding.push(connect);
    return connect;
  }

  /** An attempt has failed that is tried again later. */
  pause(connect: PendingConnect): void {
    this.pausing.add(connect);
    this.lacking.delete(connect);
    if (this.holding.remove(connect)) this.capacity?.release();
  }

  /** A pause is over. Resolves with whether to try again, as soon as that is known. */
  awaitSlot(connect: PendingConnect): Promise<boolean> {
    this.pausing.delete(connect);
    this.lacking.add(connect);
    return new Promise((resolve) => (connect.resume = resolve));
  }

  /** Grants a slot that has been taken to the connect that lacks one longest. */
  grantSlot(): void {
    const [connect] = this.lacking;
    if (connect === undefined) throw new Error('no connect lacks a slot');
    this.lacking.delete(connect);
    this.holding.push(connect);
    settle(connect, true);
  }

  yieldConnect(): boolean {
    const connect = this.holding.shift();
    if (connect === undefined) return false;
    this.lacking.add(connect);
    this.capacity?.release();
    return true;
  }

  /** No caller waits: connects that wait to try again end. */
  dropUnwanted(): void {
    for (const connect of this.lacking) {
      // A connect that lost its slot in mid-attempt goes on.
      if (connect.resume === undefined) continue;
      this.lacking.delete(connect);
      connect.dropped = true;
      settle(connect, false);
    }
  }

  /**
   * A connect has brought a connection, to which its slot passes. One that lost its slot takes another if it
   * can; else the result is false, and the connection must close at once.
   */
  keepSlot(connect: PendingConnect): boolean {
    this.end(connect);
    if (connect.hadSlot || this.capacity === undefined) return true;
    const hasSlot = this.waiting > 0 ? this.capacity.take(this) : this.capacity.takeSpare(this);
    if (!hasSlot) this.capacity.overbook();
    return hasSlot;
  }

  /** A connect has ended. The slot that it had is the caller's from here on. */
  end(connect: PendingConnect): void {
    this.connects -= 1;
    this.pausing.delete(connect);
    this.lacking.delete(connect);
    connect.hadSlot = this.holding.remove(connect);
  }
}

function settle(connect: PendingConnect, isWanted: boolean): void {
  connect.resume?.(isWanted);
  connect.resume = undefined;
}
