import type { Stats } from 'node:fs';
import type { UserIds } from './directory-trust.js';

/**
 * For so long a way that was safe is taken to be safe still. It was safe because nobody but its owners could
 * change it; what they do to it themselves is noticed a second later.
 */
const REMEMBERED_MS = 1_000;
const MOST_REMEMBERED = 64;

interface SafeWay {
  readonly device: number;
  readonly inode: number;
  readonly untilMs: number;
}

/**
 * Directories whose way was looked at and found safe: a look at each part before each Hello would cost more
 * than the rest of the checks.
 */
export class WayMemory {
  readonly #ways = new WeakMap<UserIds, Map<string, SafeWay>>();

  /** Whether the way to this directory was safe a moment ago, and led to the same one. */
  knows(directory: string, { dev, ino }: Stats, trusted: UserIds, nowMs: number): boolean {
    const way = this.#ways.get(trusted)?.get(directory);
    return way !== undefined && way.inode === ino && way.device === dev && nowMs < way.untilMs;
  }

  remember(directory: string, { dev, ino }: Stats, trusted: UserIds, nowMs: number): void {
    const known = this.#ways.get(trusted) ?? new Map<string, SafeWay>();
    if (known.size >= MOST_REMEMBERED) known.clear();
    known.set(directory, { device: dev, inode: ino, untilMs: nowMs + REMEMBERED_MS });
    this.#ways.set(trusted, known);
  }
}
