import type { PoolStats, TargetStats } from '../../../src/index.js';
import { Histogram } from '../../../src/histogram.js';
import { countsOf, newCounters } from '../../../src/pool/watching/stats.js';
import type { Snapshot } from '../../../src/inspection/snapshot.js';

/** The counts of a target or pool in which nothing has happened. */
export function counts(changes: Partial<TargetStats> = {}) {
  const moment = {
    total: 0,
    idle: 0,
    leased: 0,
    detached: 0,
    connecting: 0,
    pausing: 0,
    waiting: 0,
    oldestWaitMs: 0,
    timeouts: 0,
    waits: new Histogram(),
    connects: new Histogram(),
    uses: new Histogram(),
    failures: {},
  };
  return { ...countsOf(newCounters(), [], moment), ...changes };
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
