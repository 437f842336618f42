import type { Snapshot } from '../../inspection/snapshot.js';
import type { PoolCounts } from '../../pool/watching/stats.js';

/** One line of the table: a pool and a target of it, or a pool without targets. */
export interface Row {
  /** The same in each sample. */
  readonly key: string;
  readonly pool: string;
  /** Service and version; empty for a pool without targets. */
  readonly target: string;
  readonly leased: number;
  readonly waiting: number;
  readonly idle: number;
  readonly detached: number;
  /** Connections under validation. */
  readonly checking: number;
  /** Connects under way or between two attempts. */
  readonly connecting: number;
  readonly max: number;
  readonly maxWaitMs: number;
  /** Since the pool was made. */
  readonly timeouts: number;
  readonly failures: number;
  /** Acquires a second since the sample before; `undefined` in the first. */
  readonly acquires: number | undefined;
  /** How long an acquire waited since the sample before, on average; `undefined` without acquires. */
  readonly waitMs: number | undefined;
}

/** The pools of a process at one moment. */
export interface Sample {
  readonly pid: number;
  readonly program: string;
  readonly startedAtUnixMs: number;
  readonly atMs: number;
  readonly pools: readonly PoolSummary[];
  readonly rows: readonly Row[];
}

/** The figures of one line about a pool. */
export interface PoolSummary {
  readonly key: string;
  readonly name: string;
  readonly driver: string;
  readonly total: number;
  readonly maxTotal: number;
  readonly isClosing: boolean;
}

/**
 * The pools of a process, with rates since the sample before.
 *
 * @param snapshots of all threads of the process, at least one
 */
export function takeSample(snapshots: readonly [Snapshot, ...Snapshot[]], before: Snapshots): Sample {
  const [{ pid, program, startedAtUnixMs, atMs }] = snapshots;
  const pools: PoolSummary[] = [];
  const rows: Row[] = [];
  for (const snapshot of snapshots)
    for (const pool of snapshot.pools) {
      const { name, driver, total, maxTotal, max, state, targets } = pool;
      const key = `${snapshot.threadId} ${name}`;
      if (pools.some((known) => known.key === key)) continue;
      const shown = snapshot.threadId === 0 ? name : `${name} (thread ${snapshot.threadId})`;
      pools.push({ key, name: shown, driver, total, maxTotal, isClosing: state === 'closing' });
      const own = { pool: key, max };
      for (const target of targets) {
        const title = `${target.serviceName} ${target.wantedVersion}`;
        const id = `${key} ${title} ${target.brokerEndpoint}`;
        rows.push({
          key: id,
          target: title,
          ...own,
          ...momentOf(target),
          ...before.since(id, target, snapshot.atMs),
        });
      }
      if (targets.length === 0)
        rows.push({ key, target: '', ...own, ...momentOf(pool), ...before.since(key, pool, snapshot.atMs) });
    }
  return { pid, program, startedAtUnixMs, atMs, pools, rows };
}

function momentOf(counts: PoolCounts) {
  const { leased, waiting, idle, detached, total, connecting, pausing, oldestWaitMs } = counts;
  return {
    leased,
    waiting,
    idle,
    detached,
    checking: Math.max(0, total - idle - leased - detached),
    connecting: connecting + pausing,
    maxWaitMs: oldestWaitMs,
    timeouts: counts.timeouts,
    failures: counts.connectFailures,
  };
}

/** The counters of the last sample, by row. */
export class Snapshots {
  readonly #last = new Map<
    string,
    { readonly atMs: number; readonly count: number; readonly sumMs: number }
  >();

  /** The events since the last call for this row. */
  since(
    key: string,
    { waitMs: { count, sumMs } }: Pick<PoolCounts, 'waitMs'>,
    atMs: number,
  ): Pick<Row, 'acquires' | 'waitMs'> {
    const last = this.#last.get(key);
    this.#last.set(key, { atMs, count, sumMs });
    // A pool of the same name may have taken the place of another.
    if (last === undefined || atMs <= last.atMs || count < last.count)
      return { acquires: undefined, waitMs: undefined };
    const acquired = count - last.count;
    return {
      acquires: (acquired * 1_000) / (atMs - last.atMs),
      waitMs: acquired === 0 ? undefined : Math.max(0, sumMs - last.sumMs) / acquired,
    };
  }
}
