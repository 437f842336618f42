import type { Histogram } from '../histogram.js';
import type { AcquireQueue } from './acquire-queue.js';
import type { Pump } from './pump.js';
import { countsOf, type PoolCounts } from './watching/stats.js';

/** The counts of one target. */
export function countsOfTarget(
  { entries, limits, opener }: Pump,
  queue: AcquireQueue,
  uses: Histogram,
): PoolCounts {
  const { size: total, idle, leased, detached } = entries;
  const { holding, pausing, lacking } = limits;
  const { size: waiting, oldestWaitMs, timeouts, waits } = queue;
  return countsOf(opener.counters, entries.entries(), {
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
  });
}
