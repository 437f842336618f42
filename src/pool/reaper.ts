import { DeadlineQueue, type SharedTimer } from '../deadline-queue.js';
import type { PooledConnection } from './pooled-connection.js';

/** Timeouts that the reaper enforces. */
export interface ReaperSettings {
  readonly idleTimeoutMs: number;
  readonly keepaliveMs: number;
}

/** An idle connection, or a detached one at the end of its lifetime, and what it is due for. */
export interface DueConnection {
  readonly connection: PooledConnection;
  readonly what: 'idle' | 'lifetime' | 'keepalive';
}

/**
 * Finds connections whose idle time, lifetime or keepalive is due. It looks lazily: leasing and release never
 * touch it, and a connection that proves younger than expected is put back.
 */
export class Reaper {
  readonly #settings: ReaperSettings;
  readonly #timer: SharedTimer;
  readonly #due = new DeadlineQueue<PooledConnection>();
  /** When the last keepalive of a connection began. */
  readonly #checkedAtMs = new WeakMap<PooledConnection, number>();

  constructor(settings: ReaperSettings, timer: SharedTimer) {
    this.#settings = settings;
    this.#timer = timer;
  }

  /** When a connection must be looked at. */
  get nextMs(): number {
    return this.#due.nextMs;
  }

  /** Watches a connection; again, when it has been looked at. */
  add(connection: PooledConnection, nowMs: number): void {
    const { idleTimeoutMs, keepaliveMs } = this.#settings;
    const idleMs = idleSinceMs(connection, nowMs);
    const idleEndMs = idleMs + idleTimeoutMs;
    const keepaliveAtMs = Math.max(idleMs, this.#checkedAtMs.get(connection) ?? 0) + keepaliveMs;
    // A time that is over, of a connection that is leased or kept by `min`, begins anew.
    const dueMs = Math.min(
      connection.expiresAtMs,
      idleEndMs > nowMs ? idleEndMs : nowMs + idleTimeoutMs,
      keepaliveAtMs > nowMs ? keepaliveAtMs : nowMs + keepaliveMs,
    );
    if (dueMs === Infinity) return;
    connection.dueMs = Math.ceil(dueMs);
    this.#due.put(connection);
    this.#timer.set(connection.dueMs);
  }

  remove(connection: PooledConnection): void {
    this.#due.remove(connection);
  }

  /**
   * The next idle or detached connection that is due by `nowMs`.
   *
   * @param hasSpare whether there are more connections than `min` keeps
   */
  takeDue(nowMs: number, hasSpare: boolean): DueConnection | undefined {
    for (;;) {
      const connection = this.#due.takeDue(nowMs);
      if (connection === undefined) return undefined;
      const what = this.#dueFor(connection, nowMs, hasSpare);
      // A leased or reserved connection closes when it comes back.
      if (what === 'lifetime') connection.closeOnRelease ??= 'lifetime';
      else if (what !== 'idle') this.add(connection, nowMs);
      if (what !== undefined && connection.state === 'idle') return { connection, what };
      if (what === 'lifetime' && connection.state === 'detached') return { connection, what };
    }
  }

  #dueFor(connection: PooledConnection, nowMs: number, hasSpare: boolean): DueConnection['what'] | undefined {
    const { idleTimeoutMs, keepaliveMs } = this.#settings;
    if (connection.expiresAtMs <= nowMs) return 'lifetime';
    if (connection.state !== 'idle') return undefined;
    const idleMs = idleSinceMs(connection, nowMs);
    if (idleMs + idleTimeoutMs <= nowMs && hasSpare) return 'idle';
    if (Math.max(idleMs, this.#checkedAtMs.get(connection) ?? 0) + keepaliveMs > nowMs) return undefined;
    this.#checkedAtMs.set(connection, nowMs);
    return 'keepalive';
  }
}

/** A leased connection, or one that became idle in this turn of the loop, counts as idle from now on. */
function idleSinceMs(connection: PooledConnection, nowMs: number): number {
  return connection.resting ? Math.min(connection.idleSinceMs, nowMs) : nowMs;
}
