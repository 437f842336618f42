import type { Clock } from '../clock.js';
import { DeadlineQueue } from '../deadline-queue.js';
import type { PooledConnection } from './pooled-connection.js';

/**
 * Looks at connections when their idle time or their lifetime may be over. It looks lazily: leasing and releasing never touch it, and a
 * connection that is found younger than expected is put back. One timer, which runs only while there are connections.
 */
export class Reaper {
  readonly #clock: Clock;
  readonly #lookAt: (connection: PooledConnection, nowMs: number) => number | undefined;
  readonly #due = new DeadlineQueue<PooledConnection>();
  #cancelTimer: () => void = () => {};
  #timerDueMs = Infinity;

  /** @param lookAt closes the connection, or returns when to look again */
  constructor(clock: Clock, lookAt: (connection: PooledConnection, nowMs: number) => number | undefined) {
    this.#clock = clock;
    this.#lookAt = lookAt;
  }

  add(connection: PooledConnection, dueMs: number): void {
    connection.dueMs = dueMs;
    this.#due.put(connection);
    this.#arm();
  }

  remove(connection: PooledConnection): void {
    this.#due.remove(connection);
  }

  stop(): void {
    this.#cancelTimer();
    this.#timerDueMs = Infinity;
  }

  #arm(): void {
    const dueMs = this.#due.nextMs;
    if (dueMs >= this.#timerDueMs) return;
    this.#cancelTimer();
    this.#timerDueMs = dueMs;
    this.#cancelTimer = this.#clock.schedule(dueMs - this.#clock.now(), () => this.#reap());
  }

  #reap(): void {
    this.#timerDueMs = Infinity;
    const nowMs = this.#clock.now();
    for (;;) {
      const connection = this.#due.takeDue(nowMs);
      if (connection === undefined) break;
      const dueMs = this.#lookAt(connection, nowMs);
      if (dueMs === undefined) continue;
      connection.dueMs = dueMs;
      this.#due.put(connection);
    }
    this.#arm();
  }
}
