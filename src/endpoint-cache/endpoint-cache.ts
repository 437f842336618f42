import { LRUCache } from 'lru-cache';
import { systemClock, type Clock } from '../clock.js';
import { debug } from '../debug-log.js';
import { printableEndpoint } from '../errors.js';
import type { EndpointCacheOptions } from './options.js';
import type { EndpointStore } from './store.js';
import { splitTargetKey } from '../target.js';

/**
 * Negotiated endpoints, the least recently used dropped first. An entry is dropped as soon as it fails a
 * connect or its connection ends early: each relaunch of a backend has a new endpoint.
 *
 * A miss looks into the store, a hit never does. Every change goes to the store as well.
 */
export class EndpointCache {
  readonly #endpoints: LRUCache<string, string>;
  readonly #ttlMs: number;
  readonly #store: EndpointStore | undefined;

  constructor({ max, ttlMs }: EndpointCacheOptions, clock: Clock = systemClock, store?: EndpointStore) {
    // `maxSize` instead of `max`, which allocates room for all entries at once.
    // `ttlResolution` 0: otherwise lru-cache caches the time with a timer of its own, which a test that fakes
    // `setTimeout` stops for good.
    const time = { ttl: Math.ceil(ttlMs), ttlResolution: 0, perf: clock };
    this.#endpoints = new LRUCache({ maxSize: max, sizeCalculation: () => 1, ...time });
    this.#ttlMs = ttlMs;
    this.#store = store;
  }

  get(key: string): string | undefined {
    return this.#endpoints.get(key) ?? (this.#store && this.#findInStore(this.#store, key));
  }

  set(key: string, endpoint: string): void {
    this.#endpoints.set(key, endpoint);
    this.#store?.set(key, endpoint);
  }

  /** Drops the entry if it still names `endpoint`: a newer answer must survive an older failure. */
  invalidate(key: string, endpoint: string): void {
    debug(() => `endpoint ${printableEndpoint(endpoint)} is forgotten`);
    // The endpoint may have been replaced meanwhile.
    if (this.#endpoints.peek(key) === endpoint) this.#endpoints.delete(key);
    this.#store?.forget(key, endpoint);
  }

  delete(key: string): void {
    this.#endpoints.delete(key);
    this.#store?.forget(key);
  }

  /** Drops all answers of this broker, in the store too. */
  clear(brokerEndpoint: string): void {
    this.#endpoints.clear();
    this.#store?.forgetAll((key) => splitTargetKey(key)?.brokerEndpoint === brokerEndpoint);
  }

  get size(): number {
    return this.#endpoints.size;
  }

  /** Closes the store; the endpoints in memory stay usable. Idempotent. */
  close(): void {
    this.#store?.close();
  }

  #findInStore(store: EndpointStore, key: string): string | undefined {
    const stored = store.get(key);
    if (stored === undefined) return undefined;
    const { endpoint, ageMs } = stored;
    // The clock of the process that stored it may have been ahead.
    const leftMs = this.#ttlMs - Math.max(0, ageMs);
    if (this.#ttlMs === 0) this.#endpoints.set(key, endpoint);
    else if (leftMs > 0) this.#endpoints.set(key, endpoint, { ttl: Math.ceil(leftMs) });
    else return undefined;
    return endpoint;
  }
}
