import type { Clock, Deadline } from '../clock.js';
import { BrokerPoolError } from '../errors.js';

/** The pool, as its shutdown sees it. */
export interface ShutdownOwner {
  /** Serve who waits, keep nothing that comes back. */
  beginClose(): void;
  /** Whether nobody holds or waits for anything. */
  isQuiet(): boolean;
  /** Destroy what is left, and tell everybody why. */
  end(reason: BrokerPoolError): void;
  /** Free what negotiates. */
  free(): Promise<void>;
  /** All is over. */
  onClosed(durationMs: number): void;
}

/** `closing` serves who waits and takes back what is leased; `closed` has nothing any more. */
export type PoolState = 'open' | 'closing' | 'closed';

/** How a pool ends: once, whatever is called, how often, and by whom in the middle of it. */
export class Shutdown {
  readonly #clock: Clock;
  readonly #owner: ShutdownOwner;
  #state: PoolState = 'open';
  #sinceMs = 0;
  #limitAtMs = Infinity;
  #limitTimer: Deadline | undefined;
  #closed: Promise<void> | undefined;
  #onQuiet: () => void = () => {};

  constructor(clock: Clock, owner: ShutdownOwner) {
    this.#clock = clock;
    this.#owner = owner;
  }

  get state(): PoolState {
    return this.#state;
  }

  get open(): boolean {
    return this.#state === 'open';
  }

  /**
   * Waits until all is quiet, but no longer than `limitMs`; of several limits the one that is over first
   * counts.
   */
  close(limitMs: number): Promise<void> {
    this.#limit(limitMs);
    if (this.#closed !== undefined) return this.#closed;
    this.#state = 'closing';
    this.#sinceMs = this.#clock.now();
    const quiet = new Promise<void>((resolve) => {
      this.#onQuiet = resolve;
    });
    this.#closed = this.#freeWhen(quiet);
    // Only now: whoever hears that connections close may call this again.
    this.#owner.beginClose();
    this.onQuieter();
    return this.#closed;
  }

  /** Waits for nobody. */
  destroy(reason: BrokerPoolError): Promise<void> {
    if (this.#closed === undefined) this.#sinceMs = this.#clock.now();
    this.#closed ??= this.#freeWhen(Promise.resolve());
    this.#end(reason);
    return this.#closed;
  }

  /** Somebody has left or given something back. */
  onQuieter(): void {
    if (this.#state !== 'open' && this.#owner.isQuiet()) this.#onQuiet();
  }

  #limit(limitMs: number): void {
    const atMs = this.#clock.now() + limitMs;
    if (this.#state === 'closed' || atMs >= this.#limitAtMs) return;
    this.#limitAtMs = atMs;
    this.#limitTimer?.cancel();
    const late = (): void =>
      this.#end(
        new BrokerPoolError('POOL_CLOSED', `the pool closed and did not become quiet within ${limitMs} ms`),
      );
    // Kept alive for whoever waits for it: what is leased may be dead, and then nothing else does so.
    this.#limitTimer = this.#clock.deadline(limitMs, late, true);
  }

  async #freeWhen(quiet: Promise<void>): Promise<void> {
    await quiet;
    this.#end(new BrokerPoolError('POOL_CLOSED', 'the pool is closed'));
    await this.#owner.free();
    this.#owner.onClosed(this.#clock.now() - this.#sinceMs);
  }

  /** From here on nothing is held any more. */
  #end(reason: BrokerPoolError): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#limitTimer?.cancel();
    try {
      this.#owner.end(reason);
    } finally {
      this.#onQuiet();
    }
  }
}
