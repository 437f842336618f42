import type { Route } from '../negotiation/job.js';
import type { CloseReason } from './pooled-connection.js';

/** Counts of one target, or of all of them. */
export interface PoolCounts {
  /** Connections, idle and leased. */
  readonly total: number;
  readonly idle: number;
  readonly leased: number;
  /** Connects under way. */
  readonly connecting: number;
  /** Callers waiting for a connection. */
  readonly waiting: number;
  /** Connections that were opened since the start, by route. */
  readonly createdByRoute: Readonly<Record<Route, number>>;
  /** Connections that were closed since the start, by reason. */
  readonly closedByReason: Readonly<Record<CloseReason, number>>;
}

/** A snapshot; frozen. */
export interface PoolStats extends PoolCounts {
  readonly targets: readonly (PoolCounts & { readonly brokerEndpoint: string; readonly serviceName: string; readonly wantedVersion: string })[];
  /** Endpoints in the cache. */
  readonly cachedEndpoints: number;
}

/** The counters of one target. */
export interface Counters {
  readonly createdByRoute: Record<Route, number>;
  readonly closedByReason: Record<CloseReason, number>;
}

export function newCounters(): Counters {
  return {
    createdByRoute: { 'hello-skip': 0, 'broker-negotiated': 0, 'handle-passed': 0 },
    closedByReason: {
      idle: 0, lifetime: 0, uses: 0, dirty: 0, error: 0, invalid: 0, stale: 0, leaked: 0, destroyed: 0, poolClosed: 0,
    },
  };
}

/** Adds the counts of all targets. */
export function sumCounts(all: readonly PoolCounts[]): PoolCounts {
  return Object.freeze(all.reduce(addCounts, { total: 0, idle: 0, leased: 0, connecting: 0, waiting: 0, ...newCounters() }));
}

function addCounts(a: PoolCounts, b: PoolCounts): PoolCounts {
  return {
    total: a.total + b.total,
    idle: a.idle + b.idle,
    leased: a.leased + b.leased,
    connecting: a.connecting + b.connecting,
    waiting: a.waiting + b.waiting,
    createdByRoute: addRecords(a.createdByRoute, b.createdByRoute),
    closedByReason: addRecords(a.closedByReason, b.closedByReason),
  };
}

function addRecords<Key extends string>(a: Readonly<Record<Key, number>>, b: Readonly<Record<Key, number>>): Record<Key, number> {
  const sum: Record<Key, number> = { ...a };
  for (const key in b) sum[key] += b[key];
  return sum;
}
