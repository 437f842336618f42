import type { AcquireQueue } from './acquire-queue.js';
import type { Capacity, CapacityUser } from './capacity.js';
import { ConnectsUnderWay } from './connecting/connects-under-way.js';
import type { EntryList } from './containers.js';
import type { PoolSettings } from './options.js';
import type { PooledConnection } from './pooled-connection.js';

/** How many connections a target may and must have: `max`, `maxConnecting`, `min`, share of `maxTotal`. */
export class TargetLimits implements CapacityUser {
  readonly connects: ConnectsUnderWay;
  readonly capacity: Capacity | undefined;
  readonly evictIdle: () => boolean;
  readonly pump: () => void;
  /** Only callers that wait are still served; no connection is kept. */
  closing = false;
  /** Whether `min` holds. */
  keepsMinimum = false;
  readonly #settings: PoolSettings;
  readonly #entries: EntryList<PooledConnection>;
  readonly #queue: AcquireQueue;

  /**
   * @param evictIdle as {@link CapacityUser.evictIdle}
   * @param pump as {@link CapacityUser.pump}
   */
  constructor(
    settings: PoolSettings,
    capacity: Capacity | undefined,
    entries: EntryList<PooledConnection>,
    queue: AcquireQueue,
    evictIdle: () => boolean,
    pump: () => void,
  ) {
    this.connects = new ConnectsUnderWay(capacity);
    this.capacity = capacity;
    this.evictIdle = evictIdle;
    this.pump = pump;
    this.#settings = settings;
    this.#entries = entries;
    this.#queue = queue;
  }

  get held(): number {
    return this.#entries.size + this.connects.holding.size;
  }

  get spare(): number {
    return this.#entries.idle + this.connects.holding.size;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  get idleSinceMs(): number {
    const oldest = this.#entries.oldestIdle;
    if (oldest === undefined) return Infinity;
    return oldest.resting ? oldest.idleSinceMs : Number.MAX_VALUE;
  }

  yieldConnect(): boolean {
    return this.connects.yieldSlot();
  }

  /** How many connections are kept open. */
  get minimum(): number {
    const { min, max } = this.#settings;
    return this.closing || !this.keepsMinimum ? 0 : Math.min(min, max);
  }

  /** Whether that many are open. */
  get warm(): boolean {
    return this.#entries.size >= this.minimum;
  }

  /** How many more connections may be opened. */
  get mayOpen(): number {
    const mayOpen = this.#settings.max - this.held;
    return this.capacity === undefined ? mayOpen : Math.min(mayOpen, this.capacity.availableFor(this));
  }

  /** Callers that can be served although no other caller gives a connection back. */
  get places(): number {
    return this.held - this.#entries.leased + this.mayOpen;
  }

  /** Whether no connect can begin before another connect or connection has ended. */
  get full(): boolean {
    // Not by `belowLimits`: each caller that begins to wait asks, and the call shows.
    const { max, maxConnecting } = this.#settings;
    const { size, lacking } = this.connects;
    return (size >= maxConnecting || this.#entries.size + size >= max) && (size === 0 || lacking.size === 0);
  }

  /** Whether `max` and `maxConnecting` leave room for another connect. */
  belowLimits(): boolean {
    const { max, maxConnecting } = this.#settings;
    const { size } = this.connects;
    return size < maxConnecting && this.#entries.size + size < max;
  }

  /** Why a connection that has just come back is not kept: another target needs its slot. */
  get whyNotKeep(): 'evicted' | undefined {
    return this.capacity?.shouldYield(this) ? 'evicted' : undefined;
  }
}
