import type { BrokerPoolError } from '../errors.js';
import type { TargetPool } from './target-pool.js';
import { targetKey, type Target } from './target.js';
import { sumCounts, type PoolCounts, type TargetStats } from './watching/stats.js';

/** Unused targets are kept while there are no more than this, in use or not. */
const FEW = 128;

/**
 * The pools of all targets that somebody has asked for. A service that talks to ever new versions leaves ever
 * new targets behind: those that hold nothing and nobody are dropped when they become many. What they have
 * counted stays in the sum.
 */
export class Targets implements Iterable<TargetPool> {
  /** The pool of calls that name no target; a field, since most acquires read it. It is never dropped. */
  default: TargetPool | undefined = undefined;
  readonly #pools = new Map<string, TargetPool>();
  readonly #create: (target: Target) => TargetPool;
  #droppedCounts: PoolCounts = sumCounts([]);
  #dropAt = FEW;

  constructor(create: (target: Target) => TargetPool) {
    this.#create = create;
  }

  [Symbol.iterator](): Iterator<TargetPool> {
    return this.#pools.values();
  }

  find(target: Target): TargetPool | undefined {
    return this.#pools.get(targetKey(target));
  }

  obtain(target: Target, isDefault: boolean): TargetPool {
    const pool = this.find(target) ?? this.#add(target);
    if (isDefault) this.default = pool;
    return pool;
  }

  /** The counts of each target that is kept, and of all there ever were. */
  counts(): { readonly sum: PoolCounts; readonly targets: readonly TargetStats[] } {
    const targets = Object.freeze(
      Array.from(this.#pools.values(), (pool) => Object.freeze({ ...pool.target, ...pool.counts() })),
    );
    return { sum: sumCounts([...targets, this.#droppedCounts]), targets };
  }

  /** Whether no caller holds a connection or waits for one. */
  get quiet(): boolean {
    return Array.from(this.#pools.values()).every((pool) => pool.quiet);
  }

  /** Serves the callers that wait, and keeps no connection. */
  beginClose(): void {
    // Calls that name no target go through all checks from now on.
    this.default = undefined;
    for (const pool of this) pool.beginClose();
  }

  /** Ends all pools. */
  destroy(error: BrokerPoolError): void {
    this.default = undefined;
    for (const pool of this) pool.destroy(error);
  }

  #add(target: Target): TargetPool {
    if (this.#pools.size >= this.#dropAt) this.#dropUnused();
    const pool = this.#create(target);
    this.#pools.set(targetKey(target), pool);
    return pool;
  }

  #dropUnused(): void {
    for (const [key, pool] of this.#pools) {
      if (pool === this.default || !pool.unused) continue;
      this.#droppedCounts = sumCounts([this.#droppedCounts, pool.counts()]);
      this.#pools.delete(key);
      pool.drop();
    }
    // Twice as many before the next look, so that a look at all of them stays a small part of adding each.
    this.#dropAt = Math.max(FEW, this.#pools.size * 2);
  }
}
