import type { AcquireQueue } from './acquire-queue.js';
import type { ConnectionOpener } from './connecting/connection-opener.js';
import type { EntryList } from './containers.js';
import type { PooledConnection } from './pooled-connection.js';
import type { TargetLimits } from './target-limits.js';
import type { LeaseWatch } from './watching/lease-watch.js';
import { countsOf, type TargetStats } from './watching/stats.js';

/** The counts of one target, and which it is. */
export function statsOfTarget(
  entries: EntryList<PooledConnection>,
  limits: TargetLimits,
  opener: ConnectionOpener,
  queue: AcquireQueue,
  { failures, useTimes: uses }: LeaseWatch,
): TargetStats {
  const { size: total, idle, leased, detached } = entries;
  const { holding, pausing, lacking, minimum: min } = limits;
  const { size: waiting, oldestWaitMs, timeouts, waits } = queue;
  const counts = countsOf(opener.counters, entries.entries(), {
    total,
    idle,
    leased,
    detached,
    connecting: holding.size,
    pausing: pausing.size + lacking.size,
    waiting,
    oldestWaitMs,
    timeouts,
    waits,
    connects: opener.connectTimes,
    uses,
    failures,
  });
  return Object.freeze({ ...opener.target, min, ...counts });
}
