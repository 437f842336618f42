import type { Clock, Deadline } from '../clock.js';
import { BrokerPoolError } from '../errors.js';
import type { Targets } from './targets.js';
import type { PoolState } from './watching/stats.js';

/** Ends a pool. Idempotent and re-entrant. */
export class Shutdown {
  state: PoolState = 'open';
  readonly #clock: Clock;
  readonly #targets: Targets;
  readonly #end: (reason: BrokerPoolError) => void;
  readonly #free: () => Promise<void>;
  #sinceMs = 0;
  #limitAtMs = Infinity;
  #limitTimer: Deadline | undefined;
  #closed: Promise<void> | undefined;
  #onQuiet: () => void = () => {};

  /**
   * @param end destroys connections and fails waiters, once
   * @param free frees the drivers afterwards, and tells that the pool is closed
   */
  constructor(
    clock: Clock,
    targets: Targets,
    end: (reason: BrokerPoolError) => void,
    free: () => Promise<void>,
  ) {
    this.#clock = clock;
    this.#targets = targets;
    this.#end = end;
    this.#free = free;
  }

  /** Time since the first call of `close` or `destroy`. */
  get durationMs(): number {
    return this.#clock.now() - this.#sinceMs;
  }

  /** Waits until no caller holds or waits for a connection, for `limitMs` at most; the first limit counts. */
  close(limitMs: number): Promise<void> {
    this.#limit(limitMs);
    if (this.#closed !== undefined) return this.#closed;
    this.state = 'closing';
    this.#sinceMs = this.#clock.now();
    const quiet = new Promise<void>((resolve) => {
      this.#onQuiet = resolve;
    });
    this.#closed = this.#freeWhen(quiet);
    // Only now: a listener that hears of closed connections may call this again.
    this.#targets.beginClose(() => this.#check());
    this.#check();
    return this.#closed;
  }

  /** Waits for no caller. */
  destroy(reason: BrokerPoolError): Promise<void> {
    if (this.#closed === undefined) this.#sinceMs = this.#clock.now();
    this.#closed ??= this.#freeWhen(Promise.resolve());
    this.#endOnce(reason);
    return this.#closed;
  }

  #check(): void {
    if (this.#targets.quiet) this.#onQuiet();
  }

  #limit(limitMs: number): void {
    const atMs = this.#clock.now() + limitMs;
    if (this.state === 'closed' || atMs >= this.#limitAtMs) return;
    this.#limitAtMs = atMs;
    this.#limitTimer?.cancel();
    const message = `the pool closed and did not become quiet within ${limitMs} ms`;
    const onLimit = (): void => this.#endOnce(new BrokerPoolError('POOL_CLOSED', message));
    // Keeps the process alive for the caller of `close`: dead connections do not.
    this.#limitTimer = this.#clock.deadline(limitMs, onLimit, true);
  }

  async #freeWhen(quiet: Promise<void>): Promise<void> {
    await quiet;
    this.#endOnce(new BrokerPoolError('POOL_CLOSED', 'the pool is closed'));
    await this.#free();
  }

  #endOnce(reason: BrokerPoolError): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.#limitTimer?.cancel();
    try {
      this.#end(reason);
    } finally {
      this.#onQuiet();
    }
  }
}
