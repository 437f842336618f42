import { afterThisCode } from '../clock.js';
import { invalidArgument, textOf } from '../errors.js';
import type { BrokerPool } from '../broker-pool.js';
import type { PoolCounts, PoolStats } from '../pool/watching/stats.js';
import { described, quoted } from '../validation.js';
import { warnProcess } from '../process-warning.js';

/** The counts of a pool, or of one of its targets, at one moment. */
export interface Reading {
  /** The attributes that all its series have, by their names in OpenTelemetry. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly counts: PoolCounts;
  /** Connections at most. */
  readonly max: number;
  /** Connections that are kept open. */
  readonly min: number;
  /** Only in the reading of the whole pool. */
  readonly cachedEndpoints?: number;
}

/** The pools whose counters are read together. */
export class MeasuredPools {
  /** Whether there is one reading for each target, by pool. */
  readonly #pools = new Map<BrokerPool, boolean>();
  readonly #warned = new WeakSet<BrokerPool>();
  readonly #readsLast: boolean;
  #readings: readonly Reading[] | undefined;

  /** @param readsLast whether a pool that has closed is read once more */
  constructor(readsLast: boolean) {
    this.#readsLast = readsLast;
  }

  get size(): number {
    return this.#pools.size;
  }

  /** @throws {BrokerPoolError} `INVALID_ARGUMENT` where a pool is measured already: its numbers would count twice */
  add(pools: readonly BrokerPool[], byTarget: boolean): void {
    this.refuse(pools);
    for (const pool of pools) this.#pools.set(pool, byTarget);
    this.#readings = undefined;
  }

  /** @throws {BrokerPoolError} `INVALID_ARGUMENT` where one of the pools is here */
  refuse(pools: readonly BrokerPool[]): void {
    for (const pool of pools)
      if (this.#pools.has(pool))
        throw invalidArgument('pool', `is measured here already: ${quoted(pool.name)}; stop that first`);
  }

  delete(pools: readonly BrokerPool[]): void {
    for (const pool of pools) this.#pools.delete(pool);
    this.#readings = undefined;
  }

  /**
   * The readings of all pools. A scrape asks for them once for each metric. The pools are read at the first of these
   * calls; those that follow before the running code returns get the same readings, of one moment.
   */
  read(): readonly Reading[] {
    if (this.#readings === undefined) {
      this.#readings = [...this.#pools].flatMap(([pool, byTarget]) => this.#readingsOf(pool, byTarget));
      afterThisCode(() => (this.#readings = undefined));
    }
    return this.#readings;
  }

  #readingsOf(pool: BrokerPool, byTarget: boolean): readonly Reading[] {
    try {
      const stats = pool.stats();
      if (stats.state !== 'closed') return readingsIn(stats, byTarget);
      // A closed pool has given its name back: another pool may have it by now.
      this.#pools.delete(pool);
      return this.#readsLast ? readingsIn({ ...stats, max: 0 }, byTarget) : [];
    } catch (error) {
      this.#warnOnce(pool, error);
      return [];
    }
  }

  /** The metrics of other pools must not be lost with those of one. */
  #warnOnce(pool: BrokerPool, error: unknown): void {
    if (this.#warned.has(pool)) return;
    this.#warned.add(pool);
    const reason = textOf(error);
    warnProcess('BROKER_POOL_METRICS', `the metrics of pool ${quoted(pool.name)} cannot be read: ${reason}`);
  }
}

function readingsIn(stats: PoolStats, byTarget: boolean): readonly Reading[] {
  const { name, max, maxTotal, targets, cachedEndpoints } = stats;
  const ofPool = { 'db.client.connection.pool.name': name };
  if (byTarget)
    return targets.map((target) => ({
      attributes: {
        ...ofPool,
        'broker_pool.target.service': target.serviceName,
        'broker_pool.target.version': target.wantedVersion,
      },
      counts: target,
      max: Math.min(max, maxTotal),
      min: target.min,
    }));
  const min = targets.reduce((sum, target) => sum + target.min, 0);
  return [
    {
      attributes: ofPool,
      counts: stats,
      max: Math.min(max * Math.max(1, targets.length), maxTotal),
      min,
      cachedEndpoints,
    },
  ];
}

/**
 * One pool or several, as callers give them.
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT`
 */
export function checkPools(pool: BrokerPool | readonly BrokerPool[]): readonly BrokerPool[] {
  const pools: readonly unknown[] = Array.isArray(pool) ? pool : [pool];
  return [...new Set(pools.map((one) => checkPool(one)))];
}

function checkPool(value: unknown): BrokerPool {
  if (isPool(value)) return value;
  throw invalidArgument('pool', `must be a BrokerPool or an array of them, got ${described(value)}`);
}

/** Recognises a pool by its members: a program may have two copies of this package. */
function isPool(value: unknown): value is BrokerPool {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, 'stats') === 'function';
}
