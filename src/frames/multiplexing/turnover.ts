import type { Clock } from '../../clock.js';
import type { ConnectionSource } from '../sources/connection-source.js';
import type { SessionConnection } from './session-connection.js';

/** How long a session has a connection at the least while others wait for it: changing hands costs it a pause. */
const TURN_MS = 25;
/** How long the session waits for the last answers on a connection that others wait for. */
const DRAIN_MS = 250;
/** The time between two attempts, where an answer took longer. */
const PAUSE_MS = 1_000;

/**
 * Which connections go back to the pool: those without requests, those that have been held for long, and, one at a
 * time, those that others wait for. A connection with requests retires first: it takes no further ones.
 */
export class Turnover {
  readonly #connections: readonly SessionConnection[];
  readonly #source: ConnectionSource;
  readonly #clock: Clock;
  /** Retires because others wait. */
  #yielding: SessionConnection | undefined;
  #yieldsSinceMs = 0;
  #noYieldBeforeMs = -Infinity;

  /** @param connections of the session, now and later */
  constructor(connections: readonly SessionConnection[], source: ConnectionSource, clock: Clock) {
    this.#connections = connections;
    this.#source = source;
    this.#clock = clock;
  }

  /** Whether a connection retires because others wait. */
  get isYielding(): boolean {
    return this.#yielding !== undefined;
  }

  /** Answers have come over a connection. It may retire; the caller gives it back where no request is left. */
  onProgress(connection: SessionConnection): void {
    if (this.#yielding === undefined) this.#yieldIfWanted(connection);
    else if (!this.#yielding.isWanted) this.#resume(this.#yielding);
  }

  /** The session no longer has a connection. */
  onDropped(connection: SessionConnection): void {
    if (this.#yielding === connection) this.#yielding = undefined;
  }

  #yieldIfWanted(connection: SessionConnection): void {
    if (!connection.isWanted) return;
    const nowMs = this.#clock.now();
    if (nowMs < Math.max(connection.sinceMs + TURN_MS, this.#noYieldBeforeMs)) return;
    this.#yielding = connection;
    this.#yieldsSinceMs = nowMs;
    connection.isRetiring = true;
  }

  /** No caller waits for the connection any more, or a slow request on it holds up both sides. */
  #resume(connection: SessionConnection): void {
    this.#yielding = undefined;
    connection.isRetiring = false;
  }

  /** Looks at all connections after a while. Returns those that retire, which the session may give back now. */
  sweep(): readonly SessionConnection[] {
    const isUnused = ({ waiting, wasUsed, isWanted }: SessionConnection): boolean =>
      waiting === 0 && (!wasUsed || isWanted);
    const unused = this.#connections.filter(isUnused);
    const used = this.#connections.filter((connection) => !unused.includes(connection));
    for (const connection of unused) this.#retire(connection);
    for (const connection of used) connection.wasUsed = connection.waiting > 0;
    this.#reconsider(used);
    this.#retireOldest(used);
    return this.#connections.filter(({ isRetiring }) => isRetiring);
  }

  #retire(connection: SessionConnection): void {
    connection.isRetiring = true;
    this.onDropped(connection);
  }

  /** Decides what `onProgress` decides, since no answer may have come. */
  #reconsider([oldest]: readonly SessionConnection[]): void {
    const yielding = this.#yielding;
    if (yielding === undefined) {
      if (oldest !== undefined) this.#yieldIfWanted(oldest);
      return;
    }
    const nowMs = this.#clock.now();
    const isSlow = nowMs - this.#yieldsSinceMs >= DRAIN_MS;
    if (isSlow) this.#noYieldBeforeMs = nowMs + PAUSE_MS;
    if (isSlow || !yielding.isWanted) this.#resume(yielding);
  }

  /** One at a time, and only where another one takes the requests meanwhile: a slow request must not hold up others. */
  #retireOldest([oldest, ...others]: readonly SessionConnection[]): void {
    if (oldest === undefined || oldest === this.#yielding) return;
    if (this.#clock.now() - oldest.sinceMs < this.#source.holdMs) return;
    if (oldest.waiting === 0 || others.length > 0) oldest.isRetiring = true;
  }
}
