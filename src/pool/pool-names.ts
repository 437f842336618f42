import { isMainThread, threadId } from 'node:worker_threads';
import { invalidArgument } from '../errors.js';
import { quoted } from '../validation.js';

/** Names of the pools of this thread that have not closed. */
const taken = new Set<string>();

/** Frees the names of pools that are collected without having been closed. */
const abandoned = new FinalizationRegistry<string>((name) => void taken.delete(name));

let generated = 0;

/**
 * Gives a pool its name: no two open pools of a thread share one, since events and metrics tell pools apart
 * by it.
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT` where another open pool has the name
 */
export function claimName(pool: object, wanted: string | undefined): string {
  const name = wanted ?? nextName();
  if (taken.has(name))
    throw invalidArgument(
      'name',
      `is taken by another open pool: ${quoted(name)}; close that pool first, or choose another name`,
    );
  taken.add(name);
  abandoned.register(pool, name, pool);
  return name;
}

/** The pool has closed, once: its name may be given again. */
export function releaseName(pool: object, name: string): void {
  abandoned.unregister(pool);
  taken.delete(name);
}

/** Metrics of several threads may meet in one place: generated names are unique in the process. */
const PREFIX = isMainThread ? 'broker-pool-' : `broker-pool-${threadId}.`;

function nextName(): string {
  for (;;) {
    generated += 1;
    const name = `${PREFIX}${generated}`;
    if (!taken.has(name)) return name;
  }
}
