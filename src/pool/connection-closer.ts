import type { SharedTimer } from '../clock.js';
import type { BrokerPoolError } from '../errors.js';
import { explainedError } from '../explained-error.js';
import type { ConnectionOpener } from './connecting/connection-opener.js';
import { afterDrain } from '../os/drain.js';
import type { EntryList } from './containers.js';
import type { PoolEnvironment } from './pool-environment.js';
import type { CloseReason } from './close-reason.js';
import type { PooledConnection } from './pooled-connection.js';

/** The next look at all connections comes a millisecond later for each thousand of them. */
const CONNECTIONS_PER_LOOK_MS = 1_000;

/**
 * Closes the connections of a target. A connection closed in another way would keep its slot of `maxTotal`
 * for ever, be missing in counts and events, and leave a dead endpoint in the cache.
 *
 * Idle time, lifetime and keepalives are looked at lazily: leasing and release change nothing here, and the
 * earliest time at which a connection could be due sets the pool's timer. It serves no waiter: the caller runs
 * the pump.
 */
export class ConnectionCloser {
  /** When the connections must be looked at. */
  nextMs = Infinity;
  readonly #environment: PoolEnvironment;
  readonly #entries: EntryList<PooledConnection>;
  readonly #opener: ConnectionOpener;
  readonly #timer: SharedTimer;
  /** When the last keepalive of a connection began. */
  readonly #checkedAtMs = new WeakMap<PooledConnection, number>();
  /** Released connections whose last bytes have not left, each with the function that stops the wait. */
  readonly #drains = new Map<PooledConnection, () => void>();

  constructor(
    environment: PoolEnvironment,
    entries: EntryList<PooledConnection>,
    opener: ConnectionOpener,
    timer: SharedTimer,
  ) {
    this.#environment = environment;
    this.#entries = entries;
    this.#opener = opener;
    this.#timer = timer;
  }

  /** Sets the time of the next look so that a due connection is found. @param idleFromMs since when it is idle */
  watch(connection: PooledConnection, nowMs: number, idleFromMs: number): void {
    const { idleTimeoutMs, keepaliveMs } = this.#environment.settings;
    const { expiresAtMs } = connection;
    const idleEndMs = idleFromMs + idleTimeoutMs;
    const keepaliveAtMs = Math.max(idleFromMs, this.#checkedAtMs.get(connection) ?? 0) + keepaliveMs;
    // A time that is over, of a connection that is leased or kept by `min`, begins anew.
    const dueMs = Math.min(
      expiresAtMs > nowMs ? expiresAtMs : Infinity,
      idleEndMs > nowMs ? idleEndMs : nowMs + idleTimeoutMs,
      keepaliveAtMs > nowMs ? keepaliveAtMs : nowMs + keepaliveMs,
    );
    const soonestMs = nowMs + this.#entries.size / CONNECTIONS_PER_LOOK_MS;
    this.nextMs = Math.min(this.nextMs, Math.ceil(Math.max(dueMs, soonestMs)));
    this.#timer.set(this.nextMs);
  }

  /**
   * Closes the connections that are due by `nowMs`, those that have been idle longest first. A leased or
   * reserved one whose lifetime is over closes when it comes back.
   *
   * @param minimum how many connections are kept although they are idle
   * @returns those that are due for a keepalive
   */
  closeDue(nowMs: number, minimum: number): PooledConnection[] {
    if (nowMs < this.nextMs) return [];
    const { idleTimeoutMs, keepaliveMs } = this.#environment.settings;
    const silent: PooledConnection[] = [];
    for (const connection of this.#entries.entries())
      if (connection.expiresAtMs <= nowMs) this.#closeOrMark(connection, 'lifetime');
    // A copy: a listener that hears of a closed connection may acquire.
    for (const connection of Array.from(this.#entries.idleEntries())) {
      if (connection.state !== 'idle') continue;
      const idleFromMs = connection.idleFromMs(nowMs);
      if (idleFromMs + idleTimeoutMs <= nowMs && this.#entries.size - this.#entries.detached > minimum)
        this.closeIdle(connection, 'idle');
      else if (Math.max(idleFromMs, this.#checkedAtMs.get(connection) ?? 0) + keepaliveMs <= nowMs) {
        this.#checkedAtMs.set(connection, nowMs);
        silent.push(connection);
      }
    }
    this.nextMs = Infinity;
    for (const connection of this.#entries.entries())
      this.watch(connection, nowMs, connection.idleFromMs(nowMs));
    return silent;
  }

  /** Closes an idle, leased or reserved connection. Returns false if that has been done already. */
  close(connection: PooledConnection, reason: CloseReason, error?: BrokerPoolError): boolean {
    const isLeased = connection.state === 'leased';
    if (!this.#entries.remove(connection)) return false;
    this.#drains.get(connection)?.();
    this.#drains.delete(connection);
    // The lease may be on its way back: a listener of its release can close the connection.
    if (isLeased) connection.closeOnRelease ??= reason;
    if (this.#entries.size === 0) {
      this.nextMs = Infinity;
      this.#timer.cancelUnlessKeptAlive();
    }
    this.#opener.onClosed(connection, reason);
    connection.destroy();
    const { capacity, events } = this.#environment;
    const isTold = error !== undefined && events.connectionClosed.wanted;
    const explained = isTold ? explainedError(error, this.#opener.target) : undefined;
    this.#opener.publishClosed(connection, reason, explained);
    capacity?.release();
    return true;
  }

  /** The turn has ended: the connections that became idle in it rest from now on. */
  restIdle(nowMs: number): void {
    let connection = this.#entries.newestIdle;
    for (; connection !== undefined && !connection.resting; connection = connection.older)
      connection.rest(nowMs);
  }

  /** Closes an idle connection. Returns false if another thread has just claimed it: it is leased then. */
  closeIdle(connection: PooledConnection, reason: CloseReason): boolean {
    return connection.sharedWith?.recall() !== 'claimed' && this.close(connection, reason);
  }

  /** How many released connections wait for their last bytes to leave. */
  get draining(): number {
    return this.#drains.size;
  }

  /** Reserves a released connection until its last bytes have left; `then` hears whether they have. */
  drain(connection: PooledConnection, then: (hasDrained: boolean) => void): void {
    this.#entries.reserve(connection);
    const stop = afterDrain(connection.socket, this.#environment.clock, (hasDrained) => {
      this.#drains.delete(connection);
      then(hasDrained);
    });
    this.#drains.set(connection, stop);
  }

  /** Closes the connection that has been idle longest. Returns false where none is idle. */
  evictIdle(): boolean {
    const connection = this.#entries.oldestIdle;
    return connection !== undefined && this.close(connection, 'evicted');
  }

  /**
   * Closes `count` detached connections at most whose holders use them for nothing at present. Returns whether there
   * was one.
   */
  evictResting(count: number): boolean {
    if (this.#entries.detached === 0) return false;
    const resting = this.#entries.entries().filter(({ isAtRest }) => isAtRest);
    return resting.slice(0, count).filter((connection) => this.close(connection, 'evicted')).length > 0;
  }

  /** Closes idle connections now, leased ones when they come back, detached ones when they are at rest. */
  closeAll(reason: CloseReason): void {
    for (const connection of this.#entries.entries()) this.#closeOrMark(connection, reason);
  }

  #closeOrMark(connection: PooledConnection, reason: CloseReason): void {
    if (connection.state === 'idle' && this.closeIdle(connection, reason)) return;
    if (connection.state === 'detached') connection.retire(reason);
    else connection.closeWhenBack(reason);
  }
}
