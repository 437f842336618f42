import { systemClock } from '../../src/clock.js';
import { EventLoopDriver } from '../../src/negotiation/event-loop/event-loop-driver.js';
import { HybridDriver } from '../../src/negotiation/hybrid-driver.js';
import { loadNative } from '../../src/os/native.js';
import { BrokerPool } from '../../src/broker-pool.js';
import type { Driver } from '../../src/negotiation/job.js';
import type { BrokerPoolOptions } from '../../src/pool/options.js';
import { ask, VERSION } from '../helpers/talk.js';
import type { Invariants } from './invariants.js';

const MORTAL_WORKER = new URL('mortal-worker.js', import.meta.url).href;

/** A kind of pool. */
export interface Recipe {
  readonly name: string;
  readonly options: BrokerPoolOptions & { readonly max: number; readonly maxTotal: number };
  readonly createDriver?: () => Driver;
}

/**
 * Pools as programs have them, patient with their broker: also while it is silent, no program may stay for
 * its pools.
 */
export const GUEST_RECIPES: readonly Recipe[] = [
  { name: 'patient', options: { max: 4, maxTotal: 8, min: 2, roundTripTimeoutMs: 20_000 } },
  {
    name: 'patient and adopting',
    options: {
      max: 4,
      maxTotal: 8,
      min: 1,
      adoptHandedOffConnection: true,
      roundTripTimeoutMs: 20_000,
      endpointCache: false,
    },
  },
];

/** Every kind of pool at once: limits, routes, drivers, checks. */
export function allRecipes(): Recipe[] {
  const native = loadNative();
  const mortal = native && {
    createDriver: () => new HybridDriver(native, () => {}, MORTAL_WORKER, 100),
  };
  return [
    { name: 'plain', options: { max: 4, maxTotal: 8, maxConnecting: 3, min: 1, roundTripTimeoutMs: 400 } },
    {
      name: 'checking',
      options: {
        max: 6,
        maxTotal: 12,
        adoptHandedOffConnection: 'auto',
        handoffReadyTimeoutMs: 80,
        roundTripTimeoutMs: 300,
        idleTimeoutMs: 150,
        maxLifetimeMs: 1_000,
        maxUses: 30,
        keepaliveMs: 60,
        validateAfterIdleMs: 5,
        validate: async ({ socket }) => (await ask(socket, 'ping')) === 'ping',
      },
    },
    {
      name: 'adopting, its thread dies',
      options: {
        max: 5,
        maxTotal: 10,
        maxConnecting: 4,
        adoptHandedOffConnection: true,
        handoffReadyTimeoutMs: 60,
        roundTripTimeoutMs: 500,
        endpointCache: false,
      },
      ...mortal,
    },
    {
      name: 'on the event loop',
      options: {
        max: 3,
        maxTotal: 6,
        adoptHandedOffConnection: true,
        handoffReadyTimeoutMs: 60,
        roundTripTimeoutMs: 300,
        endpointCache: { max: 2 },
      },
      createDriver: () => new EventLoopDriver(systemClock, native),
    },
  ];
}

/** A pool under load. It is watched from outside: by its events and its counts. */
export class SoakPool {
  readonly name: string;
  readonly #recipe: Recipe;
  readonly #brokerEndpoint: string;
  readonly #invariants: Invariants;
  #pool: BrokerPool;
  /** Acquires that have not settled, by the pool that they asked. */
  readonly #asking = new Map<BrokerPool, number>();

  constructor(recipe: Recipe, brokerEndpoint: string, invariants: Invariants) {
    this.name = recipe.name;
    this.#recipe = recipe;
    this.#brokerEndpoint = brokerEndpoint;
    this.#invariants = invariants;
    this.#pool = this.#open();
  }

  get pool(): BrokerPool {
    return this.#pool;
  }

  /** Another pool in its place; the caller ends the old one, which is returned. */
  replace(): BrokerPool {
    const old = this.#pool;
    this.#pool = this.#open();
    return old;
  }

  onAsk(pool: BrokerPool): void {
    this.#asking.set(pool, (this.#asking.get(pool) ?? 0) + 1);
  }

  onSettled(pool: BrokerPool): void {
    const left = (this.#asking.get(pool) ?? 0) - 1;
    if (left === 0) this.#asking.delete(pool);
    else this.#asking.set(pool, left);
  }

  /** G-01, G-10: only callers that have asked wait; connections and connects stay within the limits. */
  check(): void {
    const { max, maxTotal } = this.#recipe.options;
    const stats = this.#pool.stats();
    const asking = this.#asking.get(this.#pool) ?? 0;
    const total = stats.total + stats.connecting;
    this.#invariants.check(
      total <= maxTotal,
      () => `${this.name}: ${total} connections, maxTotal ${maxTotal}`,
    );
    this.#invariants.check(
      stats.waiting <= asking,
      () => `${this.name}: ${stats.waiting} wait, but ${asking} have asked`,
    );
    this.#invariants.check(
      stats.idle + stats.leased <= stats.total,
      () => `${this.name}: idle ${stats.idle} + leased ${stats.leased} > total ${stats.total}`,
    );
    for (const target of stats.targets) {
      const open = target.total + target.connecting;
      this.#invariants.check(
        open <= max,
        () => `${this.name}: ${open} connections to ${target.serviceName}, max ${max}`,
      );
    }
  }

  /** After the load no caller waits any more. */
  checkQuiet(): void {
    const { waiting, leased } = this.#pool.stats();
    this.#invariants.check(
      waiting === 0 && leased === 0,
      () => `${this.name}: ${waiting} wait and ${leased} are leased after the load`,
    );
    this.#invariants.check(this.#asking.size === 0, () => `${this.name}: acquires have never settled`);
  }

  #open(): BrokerPool {
    const { options, createDriver } = this.#recipe;
    const pool = new BrokerPool(
      { brokerEndpoint: this.#brokerEndpoint, wantedVersion: VERSION, ...options },
      undefined,
      createDriver,
    );
    this.#watchOrder(pool);
    return pool;
  }

  /** G-11: those who get a lease of a target get it in the order in which they asked. */
  #watchOrder(pool: BrokerPool): void {
    const last = new Map<string, number>();
    pool.on('acquired', ({ acquireId, target: { serviceName } }) => {
      const before = last.get(serviceName) ?? 0;
      this.#invariants.check(
        acquireId > before,
        () => `${this.name}: acquire ${acquireId} was served after ${before}`,
      );
      last.set(serviceName, acquireId);
    });
  }
}

export function openPools(
  recipes: readonly Recipe[],
  brokerEndpoint: string,
  invariants: Invariants,
): SoakPool[] {
  return recipes.map((recipe) => new SoakPool(recipe, brokerEndpoint, invariants));
}
