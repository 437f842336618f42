import { addHistograms, type DurationHistogram } from '../../histogram.js';
import type { ErrorCode } from '../../errors.js';
import type { DriverName, Route } from '../../negotiation/job.js';
import { NO_CLOSES, type CloseReason } from '../close-reason.js';

/** Counts of one target, or of all of them. Frozen. `created` less all that is closed is `total`. */
export interface PoolCounts {
  /** Connections: idle, leased, detached, and under validation. */
  readonly total: number;
  readonly idle: number;
  readonly leased: number;
  /** Connections that their holders have for good, and have not closed yet. */
  readonly detached: number;
  /**
   * Connects under way. With the open connections these are the ones that count against `max` and `maxTotal`.
   */
  readonly connecting: number;
  /**
   * Connects without a place under `maxTotal`: they pause before another attempt, or another target has taken
   * their place.
   */
  readonly pausing: number;
  /** Callers waiting for a connection. */
  readonly waiting: number;
  /** How long the caller at the head of the queue has waited, in milliseconds; 0 without waiters. */
  readonly oldestWaitMs: number;
  /** Connections that were opened since the start. */
  readonly created: number;
  readonly createdByRoute: Readonly<Record<Route, number>>;
  /** Connections that were closed since the start, by reason. */
  readonly closedByReason: Readonly<Record<CloseReason, number>>;
  /** Connects that failed, retries not counted. */
  readonly connectFailures: number;
  /** Leases since the start, by the route of their connection. */
  readonly acquiredByRoute: Readonly<Record<Route, number>>;
  /** Attempts of connects that were tried again. */
  readonly retries: number;
  /** Acquires that failed because their time was up. */
  readonly timeouts: number;
  /** Acquires that failed, by the code of their error; none of a pool that was already closing. */
  readonly failuresByCode: Readonly<Partial<Record<ErrorCode, number>>>;
  /** How long callers waited until they had their lease. */
  readonly waitMs: DurationHistogram;
  /** How long connects took that succeeded. */
  readonly connectMs: DurationHistogram;
  /** How long the leases took that have ended. */
  readonly useMs: DurationHistogram;
}

/** Which connections there are now, and how many callers wait. */
export type TargetCounts = Pick<
  PoolCounts,
  'total' | 'idle' | 'leased' | 'detached' | 'connecting' | 'pausing' | 'waiting'
>;

/** `closing` serves the callers that wait and takes leases back; `closed` holds nothing any more. */
export type PoolState = 'open' | 'closing' | 'closed';

/** A pool in JSON. */
export interface PoolDescription extends Omit<TargetCounts, 'detached' | 'pausing'> {
  readonly state: PoolState;
}

/** The text that consoles show of a pool. */
export function poolText({ state, total, idle, leased, connecting, waiting }: PoolDescription): string {
  const connections = `${total}, ${idle} idle, ${leased} leased, ${connecting} connecting`;
  return `BrokerPool (${state}; connections: ${connections}; callers waiting: ${waiting})`;
}

/** The counts of one target, and which. */
export interface TargetStats extends PoolCounts {
  /** Empty for a target that needs no broker, where the option `brokerEndpoint` is left out. */
  readonly brokerEndpoint: string;
  readonly serviceName: string;
  readonly wantedVersion: string;
  /**
   * Connections that are kept open: the option `min` for the pool's own target, and for another one once `warm` was
   * called for it; else 0.
   */
  readonly min: number;
}

/** A snapshot; frozen. */
export interface PoolStats extends PoolCounts {
  /** The name of the pool. */
  readonly name: string;
  readonly state: PoolState;
  /** The option `max`: connections of a target at most. */
  readonly max: number;
  /** The option `min`: connections that are kept open. */
  readonly min: number;
  /** The option `maxTotal`: connections of all targets at most. */
  readonly maxTotal: number;
  /** How negotiations are waited for at present. */
  readonly driver: DriverName;
  readonly targets: readonly TargetStats[];
  /** Endpoints in the cache. */
  readonly cachedEndpoints: number;
}

export function newCounters() {
  const closedByReason: Record<CloseReason, number> = { ...NO_CLOSES };
  return {
    createdByRoute: noRoutes(),
    closedByReason,
    /** Leases of connections that are closed; open connections count their own. */
    acquiredByRoute: noRoutes(),
    connectFailures: 0,
    retries: 0,
  };
}

function noRoutes(): Record<Route, number> {
  return { 'hello-skip': 0, 'broker-negotiated': 0, 'handle-passed': 0 };
}

/** Adds the counts of all targets; the oldest wait is the longest of them. */
export function sumCounts(all: readonly PoolCounts[]): PoolCounts {
  const sum = (count: (counts: PoolCounts) => number): number =>
    all.reduce((total, counts) => total + count(counts), 0);
  const none = newCounters();
  const byKey = <Counts extends CountsByKey>(zeros: Counts, record: (counts: PoolCounts) => Counts): Counts =>
    Object.freeze(all.reduce((total, counts) => addRecords(total, record(counts)), zeros));
  return {
    total: sum(({ total }) => total),
    idle: sum(({ idle }) => idle),
    leased: sum(({ leased }) => leased),
    detached: sum(({ detached }) => detached),
    connecting: sum(({ connecting }) => connecting),
    pausing: sum(({ pausing }) => pausing),
    waiting: sum(({ waiting }) => waiting),
    oldestWaitMs: all.reduce((longest, { oldestWaitMs }) => Math.max(longest, oldestWaitMs), 0),
    created: sum(({ created }) => created),
    createdByRoute: byKey(none.createdByRoute, ({ createdByRoute }) => createdByRoute),
    closedByReason: byKey(none.closedByReason, ({ closedByReason }) => closedByReason),
    connectFailures: sum(({ connectFailures }) => connectFailures),
    retries: sum(({ retries }) => retries),
    acquiredByRoute: byKey(none.acquiredByRoute, ({ acquiredByRoute }) => acquiredByRoute),
    timeouts: sum(({ timeouts }) => timeouts),
    failuresByCode: byKey({}, ({ failuresByCode }) => failuresByCode),
    waitMs: addHistograms(all.map(({ waitMs }) => waitMs)),
    connectMs: addHistograms(all.map(({ connectMs }) => connectMs)),
    useMs: addHistograms(all.map(({ useMs }) => useMs)),
  };
}

type CountsByKey = Readonly<Partial<Record<string, number>>>;

function addRecords<Counts extends CountsByKey>(a: Counts, b: Counts): Counts {
  const sum: Record<string, number | undefined> = { ...a };
  for (const key in b) sum[key] = (sum[key] ?? 0) + (b[key] ?? 0);
  return { ...b, ...sum };
}
