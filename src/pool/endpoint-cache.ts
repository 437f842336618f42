import { LRUCache } from 'lru-cache';
import { systemClock, wallNowMs, type Clock } from '../clock.js';
import { debug } from '../debug-log.js';
import { printableEndpoint } from '../errors.js';
import { EndpointFile } from './endpoint-file/endpoint-file.js';
import { LONGEST_FILE_BYTES } from './endpoint-file/format.js';
import { PrivateFile } from './endpoint-file/private-file.js';
import { emitEndpointFileWarning, type EndpointFileWarning } from './endpoint-file/warning.js';
import type { EndpointCacheOptions } from './endpoint-cache-options.js';
import { splitTargetKey } from './target.js';

/** Parts that a pool or a test puts in place of the usual ones. */
export interface EndpointCacheParts {
  readonly clock?: Clock;
  /** Milliseconds since 1970. */
  readonly wallClock?: () => number;
  /** Told of trouble with the file, once for each cause. @default `process.emitWarning` */
  readonly warn?: (warning: EndpointFileWarning) => void;
}

/**
 * Negotiated endpoints, the least recently used dropped first. An entry is dropped as soon as it fails a
 * connect or its connection ends early: each relaunch of a backend has a new endpoint.
 *
 * With a file, what is missing in memory is looked up there, and what changes is written there soon after. A
 * hit never looks at the file.
 */
export class EndpointCache {
  readonly #endpoints: LRUCache<string, string>;
  readonly #file: EndpointFile | undefined;
  readonly #ttlMs: number;
  readonly #wallClock: () => number;

  constructor({ max, ttlMs, file }: EndpointCacheOptions, parts: EndpointCacheParts = {}) {
    const { clock = systemClock, wallClock = wallNowMs, warn = emitEndpointFileWarning } = parts;
    // Counted as a size: room for `max` entries would be taken at once, and a careless limit end the process.
    // With `ttlResolution`, lru-cache keeps the time in a timer of its own, which a test that fakes
    // `setTimeout` would stop for good.
    const time = { ttl: Math.ceil(ttlMs), ttlResolution: 0, perf: clock };
    this.#endpoints = new LRUCache({ maxSize: max, sizeCalculation: () => 1, ...time });
    this.#ttlMs = ttlMs;
    this.#wallClock = wallClock;
    if (file === undefined) return;
    this.#file = new EndpointFile({
      path: file,
      storage: new PrivateFile(file, LONGEST_FILE_BYTES),
      max,
      clock,
      wallClock,
      warn,
    });
  }

  get(key: string): string | undefined {
    return this.#endpoints.get(key) ?? this.#findInFile(key);
  }

  set(key: string, endpoint: string): void {
    this.#endpoints.set(key, endpoint);
    this.#file?.remember(key, endpoint);
  }

  /**
   * Drops the entry if it still names `endpoint`: a newer answer of the broker must survive an older failure.
   */
  invalidate(key: string, endpoint: string): void {
    debug(() => `endpoint ${printableEndpoint(endpoint)} is forgotten`);
    if (this.#endpoints.peek(key) === endpoint) this.#endpoints.delete(key);
    this.#file?.forget(key, endpoint);
  }

  delete(key: string): void {
    this.#endpoints.delete(key);
    this.#file?.forgetAny(key);
  }

  /** Drops everything that this broker has answered, in the file too. */
  clear(brokerEndpoint: string): void {
    this.#endpoints.clear();
    this.#file?.forgetAll((key) => splitTargetKey(key)?.brokerEndpoint === brokerEndpoint);
  }

  /** Endpoints in memory. */
  get size(): number {
    return this.#endpoints.size;
  }

  /**
   * Writes changes to the file now and not in a moment. Synchronous; does nothing without a file or without
   * changes.
   */
  flush(): void {
    this.#file?.flush();
  }

  /**
   * Writes what is left to write and leaves the file alone from then on; what is in memory stays usable.
   * Idempotent.
   */
  close(): void {
    this.#file?.close();
  }

  #findInFile(key: string): string | undefined {
    const answer = this.#file?.find(key);
    if (answer === undefined) return undefined;
    if (this.#ttlMs === 0) {
      this.#endpoints.set(key, answer.endpoint);
      return answer.endpoint;
    }
    const leftMs = Math.min(this.#ttlMs, answer.atMs + this.#ttlMs - this.#wallClock());
    if (leftMs <= 0) return undefined;
    this.#endpoints.set(key, answer.endpoint, { ttl: Math.ceil(leftMs) });
    return answer.endpoint;
  }
}
