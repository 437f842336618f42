import type { Clock, Deadline } from '../clock.js';
import { DeadlineQueue } from '../deadline-queue.js';
import type { CloseReason, PooledConnection } from './pooled-connection.js';

/** What is due when. */
export interface ReaperSettings {
  readonly idleTimeoutMs: number;
  readonly keepaliveMs: number;
}

/** What the reaper has done by others. */
export interface ReaperOwner {
  /** Whether there are more connections than are to be kept warm. */
  hasSpare(): boolean;
  close(connection: PooledConnection, reason: CloseReason): void;
  /** Begins a keepalive of an idle connection. */
  keepAlive(connection: PooledConnection): void;
}

/**
 * Looks at connections when something about their age may be due: idle time, lifetime, keepalive. It looks
 * lazily: leasing and releasing never touch it, and a connection that is found younger than expected is put
 * back. One timer, which runs only while there are connections.
 */
export class Reaper {
  readonly #clock: Clock;
  readonly #settings: ReaperSettings;
  readonly #owner: ReaperOwner;
  readonly #due = new DeadlineQueue<PooledConnection>();
  /** When the keepalive of an idle connection began last. */
  readonly #checkedAtMs = new WeakMap<PooledConnection, number>();
  #timer: Deadline | undefined;
  #timerDueMs = Infinity;

  constructor(clock: Clock, settings: ReaperSettings, owner: ReaperOwner) {
    this.#clock = clock;
    this.#settings = settings;
    this.#owner = owner;
  }

  /** Takes a connection that has just become idle or leased under its eye. */
  add(connection: PooledConnection): void {
    this.#put(connection, this.#nextLook(connection, this.#clock.now()));
    this.#arm();
  }

  remove(connection: PooledConnection): void {
    this.#due.remove(connection);
    if (this.#due.nextMs === Infinity) this.stop();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timerDueMs = Infinity;
  }

  #arm(): void {
    const dueMs = this.#due.nextMs;
    if (dueMs >= this.#timerDueMs) return;
    this.#timer?.cancel();
    this.#timerDueMs = dueMs;
    this.#timer = this.#clock.deadline(dueMs - this.#clock.now(), (dueByMs) => this.#reap(dueByMs));
  }

  #reap(nowMs: number): void {
    this.#timerDueMs = Infinity;
    try {
      for (
        let connection = this.#due.takeDue(nowMs);
        connection !== undefined;
        connection = this.#due.takeDue(nowMs)
      ) {
        if (this.#lookAt(connection, nowMs)) this.#put(connection, this.#nextLook(connection, nowMs));
      }
    } finally {
      this.#arm();
    }
  }

  /** Does what is due. Returns whether to look again. */
  #lookAt(connection: PooledConnection, nowMs: number): boolean {
    const { idleTimeoutMs, keepaliveMs } = this.#settings;
    const idle = connection.state === 'idle';
    if (connection.expiresAtMs <= nowMs) {
      // One that is leased closes when it comes back.
      if (idle) this.#owner.close(connection, 'lifetime');
      else connection.closeOnRelease ??= 'lifetime';
      return false;
    }
    if (!idle) return true;
    if (idleSinceMs(connection, nowMs) + idleTimeoutMs <= nowMs && this.#owner.hasSpare()) {
      this.#owner.close(connection, 'idle');
      return false;
    }
    if (this.#lastSignMs(connection, nowMs) + keepaliveMs <= nowMs) {
      this.#checkedAtMs.set(connection, nowMs);
      this.#owner.keepAlive(connection);
    }
    return true;
  }

  #nextLook(connection: PooledConnection, nowMs: number): number {
    const { idleTimeoutMs, keepaliveMs } = this.#settings;
    const idleEndMs = idleSinceMs(connection, nowMs) + idleTimeoutMs;
    const keepaliveAtMs = this.#lastSignMs(connection, nowMs) + keepaliveMs;
    // What is over and still there is kept by `min`, or not idle: it gets its time again.
    return Math.min(
      connection.expiresAtMs,
      idleEndMs > nowMs ? idleEndMs : nowMs + idleTimeoutMs,
      keepaliveAtMs > nowMs ? keepaliveAtMs : nowMs + keepaliveMs,
    );
  }

  /** When the connection last showed that it is alive. */
  #lastSignMs(connection: PooledConnection, nowMs: number): number {
    return Math.max(idleSinceMs(connection, nowMs), this.#checkedAtMs.get(connection) ?? 0);
  }

  #put(connection: PooledConnection, dueMs: number): void {
    if (dueMs === Infinity) return;
    connection.dueMs = Math.ceil(dueMs);
    this.#due.put(connection);
  }
}

/** A connection that is leased, or became idle in this very turn, counts as idle from now on. */
function idleSinceMs(connection: PooledConnection, nowMs: number): number {
  return connection.resting ? Math.min(connection.idleSinceMs, nowMs) : nowMs;
}
