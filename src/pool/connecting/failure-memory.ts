import type { Clock } from '../../clock.js';
import { Backoff } from './backoff.js';
import { EndpointDoubts } from './endpoint-doubts.js';
import { RefusalCache } from './refusal-cache.js';

/** Evidence from a target's failures about its next connect. A target without failures has none. */
export class FailureMemory {
  readonly backoff: Backoff;
  readonly doubts: EndpointDoubts;
  readonly refusal: RefusalCache;

  /**
   * @param forget drops an endpoint from the cache
   * @param pump is called when a pause is over
   */
  constructor(clock: Clock, forget: (endpoint: string) => void, pump: () => void) {
    this.backoff = new Backoff(clock, pump);
    this.doubts = new EndpointDoubts(clock, forget, pump);
    this.refusal = new RefusalCache(clock, pump);
  }

  /** Whether no connect may begin to maintain `min`. */
  get forbidsSpare(): boolean {
    return this.backoff.pausing || this.doubts.forbidsSpare || this.refusal.forbidsSpare;
  }

  /** Forgets pauses and refusals: connecting works. */
  onConnected(): void {
    this.refusal.forget();
    this.backoff.reset();
  }

  /** Forgets everything. */
  reset(): void {
    this.onConnected();
    this.doubts.reset();
  }
}
