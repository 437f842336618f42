import { systemClock } from '../clock.js';
import type { SettingsOf } from '../option-table.js';
import { targetKey, type Target } from '../target.js';
import { EndpointFile } from './endpoint-file.js';
import type { endpointFileOptions } from './options.js';

/**
 * The files of this process's one-shot calls, each opened once: a file is read again only where it has changed,
 * and each problem with it is one warning. None of them keeps the process alive.
 */
const files = new Map<string, EndpointFile>();

/** The endpoint that the file remembers for one target. */
export class RememberedEndpoint {
  readonly #file: EndpointFile;
  readonly #key: string;
  readonly #ttlMs: number;

  constructor({ file, max, ttlMs }: SettingsOf<typeof endpointFileOptions>, target: Target) {
    const id = `${max} ${file}`;
    let opened = files.get(id);
    if (opened === undefined) files.set(id, (opened = new EndpointFile(file, max, systemClock)));
    this.#file = opened;
    this.#key = targetKey(target);
    this.#ttlMs = ttlMs;
  }

  get(): string | undefined {
    const stored = this.#file.get(this.#key);
    if (stored === undefined) return undefined;
    return this.#ttlMs === 0 || stored.ageMs < this.#ttlMs ? stored.endpoint : undefined;
  }

  set(endpoint: string): void {
    this.#file.set(this.#key, endpoint);
  }

  forget(endpoint: string): void {
    this.#file.forget(this.#key, endpoint);
  }
}
