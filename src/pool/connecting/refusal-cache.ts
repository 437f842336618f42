import type { Clock } from '../../clock.js';
import { BrokerPoolError, fieldsOf, type RefusalKind } from '../../errors.js';
import { Backoff } from './backoff.js';

/**
 * How long a refusal that forbids is remembered, in milliseconds. A user who mends the service definition
 * must not wait long.
 */
export const REFUSAL_CACHE_MS = 1_000;

/**
 * How long no spare connection is opened after such a refusal, in milliseconds, and up to a half longer by
 * chance: until a user has mended the cause, each Hello is in vain.
 */
const SPARE_PAUSE_MS = 30_000;
const JITTER = 0.5;

/** Refusals that the next Hello would only get again. */
const FORBIDDING: ReadonlySet<RefusalKind | undefined> = new Set([
  'serviceUnknown',
  'versionBlocked',
  'versionUnsupported',
]);

/**
 * Remembers for a second that the broker forbids a target, so that a thousand callers learn it from one
 * Hello; and for longer, that nothing need be opened in advance.
 */
export class RefusalCache {
  readonly #clock: Clock;
  #error: BrokerPoolError | undefined;
  #untilMs = 0;
  readonly #spareBackoff: Backoff;

  /** @param onSparePauseOver is called when spare connections may be opened again */
  constructor(clock: Clock, onSparePauseOver: () => void) {
    this.#clock = clock;
    this.#spareBackoff = new Backoff(clock, onSparePauseOver);
  }

  /** Whether no spare connection may be opened. */
  get forbidsSpare(): boolean {
    return this.#spareBackoff.pausing;
  }

  /** Looks at why a connect failed. Returns whether the broker forbids the target. */
  consider(error: BrokerPoolError): boolean {
    if (error.code !== 'REFUSED' || !FORBIDDING.has(error.refusalKind)) return false;
    this.#error = error;
    this.#untilMs = this.#clock.now() + REFUSAL_CACHE_MS;
    // Begins the pause anew: each refusal says that the cause is not mended yet.
    this.#spareBackoff.reset();
    this.#spareBackoff.onFailure(SPARE_PAUSE_MS * (1 + JITTER * this.#clock.random()));
    return true;
  }

  /** The error for a caller who asks while the refusal is remembered. */
  current(): BrokerPoolError | undefined {
    const remembered = this.#error;
    if (remembered === undefined) return undefined;
    const leftMs = this.#untilMs - this.#clock.now();
    if (leftMs <= 0) {
      this.#error = undefined;
      return undefined;
    }
    const message = `${remembered.message}; not asked again for another ${Math.ceil(leftMs)} ms`;
    return new BrokerPoolError('REFUSED', message, { ...fieldsOf(remembered), cause: remembered });
  }

  forget(): void {
    this.#error = undefined;
    this.#spareBackoff.reset();
  }
}
