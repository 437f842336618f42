import { explainWait, namesFor } from '../../broker-need.js';
import type { BrokerPoolFailure } from '../../errors.js';
import { heldBy, type Lease, type LeaseOwner } from '../../pool/lease.js';
import type { LeasingPool } from '../../pool/leasing-pool.js';
import type { AcquireOptions } from '../../pool/options.js';
import type { SessionTarget } from '../session-errors.js';
import { outOfContext } from '../../async-context.js';
import type { ConnectionSource, HeldConnection } from './connection-source.js';

/**
 * How long a lease is kept without requests, in milliseconds. Long enough that requests one after the other
 * share it, short enough for other users of the pool.
 */
const IDLE_MS = 100;
/** How long a lease with requests is kept: the pool can close a connection that is too old only once it is back. */
const HOLD_MS = 10_000;

/** How many sessions wait for one connection more than they need; they have others. */
interface Extras {
  count: number;
}

/** The sessions over one pool and target share their count. */
const extrasByOwner = new WeakMap<LeaseOwner, Extras>();

function extrasOf(owner: LeaseOwner | undefined): Extras {
  const known = owner && extrasByOwner.get(owner);
  if (known !== undefined) return known;
  const extras: Extras = { count: 0 };
  if (owner !== undefined) extrasByOwner.set(owner, extras);
  return extras;
}

/** Leases of a pool. */
export class PoolSource implements ConnectionSource {
  readonly isShared = true;
  readonly idleMs: number = IDLE_MS;
  readonly holdMs: number = HOLD_MS;
  readonly target: SessionTarget;
  readonly #pool: LeasingPool;
  /** Known from the first lease on. */
  #extras: Extras | undefined;
  readonly #names: Pick<AcquireOptions, 'serviceName' | 'wantedVersion'>;

  constructor(pool: LeasingPool, names: Pick<AcquireOptions, 'serviceName' | 'wantedVersion'>) {
    this.#pool = pool;
    this.#names = names;
    this.target = namesFor(pool, names);
  }

  async open(signal: AbortSignal, timeoutMs?: number): Promise<HeldConnection> {
    const extras = timeoutMs === undefined ? undefined : this.#extras;
    if (extras !== undefined) extras.count++;
    try {
      return this.#held(await this.#pool.acquire({ ...this.#names, signal, timeoutMs }));
    } finally {
      if (extras !== undefined) extras.count--;
    }
  }

  explainWait(timeoutMs: number): BrokerPoolFailure | undefined {
    return explainWait(this.#pool, this.#names, timeoutMs);
  }

  #held(lease: Lease): HeldConnection {
    // The socket's callbacks serve many callers: they run in the context of none.
    const socket = outOfContext(() => lease.socket);
    const owner = heldBy(lease)?.owner;
    const extras = extrasOf(owner);
    this.#extras = extras;
    return {
      socket,
      endpoint: lease.endpoint,
      get isWanted() {
        return (owner?.unserved ?? 0) > extras.count;
      },
      get endedBy() {
        return owner?.endedBy;
      },
      giveBack: () => lease.release(),
      destroy: (isForeign) => lease.destroy(isForeign ? 'invalid' : 'error'),
    };
  }
}
