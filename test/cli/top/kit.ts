import type { PoolStats, TargetStats } from '../../../src/index.js';
import { Histogram } from '../../../src/histogram.js';
import { sumCounts } from '../../../src/pool/watching/stats.js';
import type { Snapshot } from '../../../src/inspection/snapshot.js';

/** The counts of a target or pool in which nothing has happened. */
export function counts(changes: Partial<TargetStats> = {}) {
  return { ...sumCounts([]), ...changes };
}

/** Waits as a pool counts them. */
export function waits(count: number, sumMs: number): TargetStats['waitMs'] {
  return { ...new Histogram().snapshot(), count, sumMs };
}

export function target(changes: Partial<TargetStats> = {}): TargetStats {
  return { brokerEndpoint: '/b', serviceName: 'echo', wantedVersion: '1.0.0', min: 0, ...counts(changes) };
}

export function pool(
  name: string,
  targets: readonly TargetStats[],
  changes: Partial<PoolStats> = {},
): PoolStats {
  const sum = counts({ total: targets.reduce((total, one) => total + one.total, 0) });
  return {
    name,
    state: 'open',
    max: 10,
    min: 0,
    maxTotal: Infinity,
    driver: 'worker',
    targets,
    cachedEndpoints: 0,
    ...sum,
    ...changes,
  };
}

export function snapshot(atMs: number, pools: readonly PoolStats[], threadId = 0): Snapshot {
  return { version: 1, pid: 42, threadId, program: '/srv/server.js', startedAtUnixMs: 0, atMs, pools };
}
