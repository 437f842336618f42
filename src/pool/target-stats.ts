import type { AcquireQueue } from './acquire-queue.js';
import type { ConnectionOpener } from './connecting/connection-opener.js';
import type { EntryList } from './containers.js';
import type { PooledConnection } from './pooled-connection.js';
import type { TargetLimits } from './target-limits.js';
import type { LeaseWatch } from './watching/lease-watch.js';
import type { TargetStats } from './watching/stats.js';

/** The counts of one target, and which it is. */
export function statsOfTarget(
  entries: EntryList<PooledConnection>,
  { minimum: min, counts }: TargetLimits,
  { target, counters, connectTimes }: ConnectionOpener,
  { oldestWaitMs, timeouts, waits }: AcquireQueue,
  { failures, useTimes }: LeaseWatch,
): TargetStats {
  const acquiredByRoute = { ...counters.acquiredByRoute };
  // Open connections know themselves how often they were leased.
  for (const { route, uses } of entries.entries()) acquiredByRoute[route] += uses;
  const acquired = sumOf(acquiredByRoute);
  return Object.freeze({
    ...target,
    min,
    ...counts,
    oldestWaitMs,
    timeouts,
    created: sumOf(counters.createdByRoute),
    createdByRoute: Object.freeze({ ...counters.createdByRoute }),
    closedByReason: Object.freeze({ ...counters.closedByReason }),
    connectFailures: counters.connectFailures,
    retries: counters.retries,
    acquiredByRoute: Object.freeze(acquiredByRoute),
    failuresByCode: Object.freeze({ ...failures }),
    // Acquires that did not wait were not recorded.
    waitMs: waits.snapshot(acquired - waits.count),
    connectMs: connectTimes.snapshot(),
    // Nor were leases that ended in the turn in which they began.
    useMs: useTimes.snapshot(acquired - counts.leased - useTimes.count),
  });
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
