import { LRUCache } from 'lru-cache';

/** What a broker was asked for. */
export interface Target {
  readonly brokerEndpoint: string;
  readonly serviceName: string;
  readonly wantedVersion: string;
}

/** One string per target. Names and versions have no spaces (N-20, N-22), so no two targets share a key. */
export function targetKey(target: Target): string {
  return `${target.serviceName} ${target.wantedVersion} ${target.brokerEndpoint}`;
}

export interface EndpointCacheOptions {
  /** Endpoints kept at most. @default 256 */
  readonly max: number;
  /** How long an endpoint is believed, in milliseconds; 0 means until it fails. @default 0 */
  readonly ttlMs: number;
}

/**
 * Negotiated endpoints, the least recently used dropped first. An entry is dropped as soon as it fails a connect or its
 * connection ends early: each relaunch of a backend has a new endpoint.
 */
export class EndpointCache {
  readonly #endpoints: LRUCache<string, string>;

  constructor({ max, ttlMs }: EndpointCacheOptions) {
    // Counted as a size: room for `max` entries would be taken at once, and a careless limit end the process.
    this.#endpoints = new LRUCache({ maxSize: max, sizeCalculation: () => 1, ttl: Math.ceil(ttlMs) });
  }

  get(key: string): string | undefined {
    return this.#endpoints.get(key);
  }

  set(key: string, endpoint: string): void {
    this.#endpoints.set(key, endpoint);
  }

  /** Drops the entry if it still names `endpoint`: a newer answer of the broker must survive an older failure. */
  invalidate(key: string, endpoint: string): void {
    if (this.#endpoints.peek(key) === endpoint) this.#endpoints.delete(key);
  }

  delete(key: string): void {
    this.#endpoints.delete(key);
  }

  get size(): number {
    return this.#endpoints.size;
  }
}
