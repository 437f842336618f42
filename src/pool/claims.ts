import type { CachedClock } from '../clock.js';
import { PooledSocket } from '../os/pooled-socket.js';
import type { AcquireQueue } from './acquire-queue.js';
import type { EntryList } from './containers.js';
import { leaseOf, type Lease } from './lease.js';
import type { PooledConnection } from './pooled-connection.js';
import type { LeaseWatch } from './watching/lease-watch.js';

/** Index of the word that is 1 once the pool closes. The one before it is 1 while callers wait. */
const POOL_CLOSES = 1;

/**
 * Leases of one target that begin without an acquire: another thread claims a connection that it has just
 * given back. The pool hears of a claim a moment later, so it says beforehand where it would refuse one.
 */
export class Claims {
  /** Two 32-bit words. Another thread claims nothing while one of them is not 0. */
  readonly refusals: SharedArrayBuffer;
  readonly #refusals: Int32Array;
  readonly #queue: AcquireQueue;
  readonly #entries: EntryList<PooledConnection>;
  readonly #watch: LeaseWatch;
  readonly #cachedClock: CachedClock;
  readonly #maxUses: number;

  constructor(
    queue: AcquireQueue,
    entries: EntryList<PooledConnection>,
    watch: LeaseWatch,
    cachedClock: CachedClock,
    maxUses: number,
  ) {
    this.#queue = queue;
    this.#entries = entries;
    this.#watch = watch;
    this.#cachedClock = cachedClock;
    this.#maxUses = maxUses;
    this.refusals = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT);
    this.#refusals = new Int32Array(this.refusals);
    queue.showDemand(this.#refusals);
  }

  /** The pool closes: it must not be given new leases. */
  close(): void {
    Atomics.store(this.#refusals, POOL_CLOSES, 1);
  }

  /** How many further leases of a connection may begin by a claim. */
  left({ closeOnRelease, uses }: PooledConnection): number {
    const isRefused = this.#queue.size > 0 || Atomics.load(this.#refusals, POOL_CLOSES) === 1;
    return isRefused || closeOnRelease !== undefined ? 0 : this.#maxUses - uses;
  }

  /**
   * Ends the lease of a connection that a client may claim: it is idle until then. False where the pool allows no
   * claim, and the lease must end in another way.
   */
  rest(connection: PooledConnection): boolean {
    // A used socket must not lie idle. None is used here today: no caller of this thread gets a socket that is lent,
    // and it reads nothing meanwhile.
    if (this.left(connection) === 0 || PooledSocket.needsReset(connection.socket)) return false;
    this.#watch.end(connection, this.#cachedClock.time());
    connection.since = undefined;
    // A listener may have acquired, or ended the pool.
    if (connection.state !== 'leased' || this.left(connection) === 0) return false;
    this.#entries.makeIdle(connection);
    return true;
  }

  /**
   * The lease of a connection that another thread has claimed; `undefined` where the connection has closed. The pool
   * may know the claim before it has acted on the release: that comes first then.
   */
  begin(connection: PooledConnection): Lease | undefined {
    const now = this.#cachedClock.time();
    if (connection.state === 'leased') this.#watch.end(connection, now);
    else if (connection.state === 'idle') this.#entries.lease(connection);
    if (connection.state !== 'leased') return undefined;
    connection.use(this.#maxUses, now);
    if (!this.#watch.wanted) return leaseOf(connection);
    try {
      return this.#watch.leaseAtOnce(connection, this.#cachedClock);
    } catch {
      // A listener has ended the pool.
      return undefined;
    }
  }
}
