import { pbkdf2 } from 'node:crypto';
import { readdirSync, readlinkSync, watch } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { patience } from './patience.js';

const POLL_MS = 5;
/** Far more than anything takes; it costs time only where a test fails. */
const LIMIT_MS = 10_000;

/**
 * Waits until `condition` holds or `limitMs` have passed; returns whether it holds. For changes that come in
 * a later turn without an event.
 */
export async function until(condition: () => boolean, limitMs = LIMIT_MS * patience()): Promise<boolean> {
  const endMs = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > endMs) return false;
    await delay(POLL_MS);
  }
  return true;
}

/**
 * Resources that the process has opened since this object was made and has not closed: descriptors, threads, and
 * whatever else keeps the event loop alive. Descriptors and threads are seen on Linux only.
 */
export class Leftovers {
  readonly #resources = tally(process.getActiveResourcesInfo());
  readonly #descriptors: ReadonlyMap<string, number>;
  readonly #threads: number;

  constructor() {
    if (process.platform === 'linux') openWhatNodeOpensOnce();
    this.#descriptors = tally(descriptorTargets());
    this.#threads = threadCount();
  }

  /** One line for each kind of thing left, empty when all is as it was. */
  list(): string[] {
    const lines = [
      ...surplus(this.#descriptors, descriptorTargets()).map((target) => `descriptor: ${target}`),
      ...surplus(this.#resources, process.getActiveResourcesInfo()).map((type) => `active: ${type}`),
    ];
    const threads = threadCount() - this.#threads;
    if (threads > 0) lines.push(`threads: ${threads}`);
    return lines;
  }
}

/**
 * libuv opens some things at their first use and keeps them: the threads of its pool, and with the first
 * listener a reserve descriptor. Each of the two calls opens them before it returns.
 */
function openWhatNodeOpensOnce(): void {
  pbkdf2('', '', 1, 1, 'sha256', () => {});
  // An abstract name leaves no file.
  createServer().listen(`\0broker-pool-test-${process.pid}`).close();
  // The inotify descriptor behind fs.watch.
  watch('/proc/self').close();
}

/**
 * The target of each open descriptor. Pipes and sockets have a number of their own, so reuse of descriptors
 * hides nothing.
 */
function descriptorTargets(): string[] {
  return namesIn('/proc/self/fd').flatMap((descriptor) => {
    try {
      return [readlinkSync(`/proc/self/fd/${descriptor}`)];
    } catch {
      // The descriptor by which the directory itself was read.
      return [];
    }
  });
}

function threadCount(): number {
  return namesIn('/proc/self/task').length;
}

function namesIn(directory: string): string[] {
  return process.platform === 'linux' ? readdirSync(directory) : [];
}

function tally(items: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return counts;
}

/** The items there are more of than in `before`, each with how many more. */
function surplus(before: ReadonlyMap<string, number>, after: readonly string[]): string[] {
  return [...tally(after)].flatMap(([item, count]) => {
    const more = count - (before.get(item) ?? 0);
    return more > 0 ? [`${item} ×${more}`] : [];
  });
}
