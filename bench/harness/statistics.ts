import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import type { LatencySummary, Row, Table, Target } from './result.js';

/** Two minutes: nothing that is timed here may take as long. */
const LONGEST_NS = 120_000_000_000;

/** Latencies of one contender: HDR histogram with three figures. */
export class Latencies {
  readonly #histogram: RecordableHistogram = createHistogram({ lowest: 1, highest: LONGEST_NS, figures: 3 });

  recordNs(latencyNs: bigint | number): void {
    // The histogram takes no zero, which a coarse clock may well show.
    this.#histogram.record(latencyNs > 0 ? latencyNs : 1);
  }

  add(others: Latencies): void {
    this.#histogram.add(others.#histogram);
  }

  get count(): number {
    return this.#histogram.count;
  }

  /** @param share between 0 and 1 */
  atUs(share: number): number {
    return this.#histogram.percentile(share * 100) / 1_000;
  }

  summary(): LatencySummary {
    return {
      count: this.count,
      p50: this.atUs(0.5),
      p90: this.atUs(0.9),
      p99: this.atUs(0.99),
      p999: this.atUs(0.999),
      max: this.#histogram.max / 1_000,
    };
  }
}

/** The middle value; between two middle values, their mean. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (lower + upper) / 2;
}

/** A ratio of two rows over the rounds of one run. */
export interface Ratio {
  /** The median of the rounds' ratios. */
  readonly middle: number;
  readonly lowest: number;
  readonly highest: number;
}

/**
 * How many times the baseline's figure a row's is. Divided round by round, since both of a round met the same
 * state of the machine; a slow minute then moves neither.
 */
export function ratioOf(row: Row, baseline: Row): Ratio {
  const count = Math.min(row.rounds.length, baseline.rounds.length);
  const ratios = Array.from({ length: count }, (_, round) =>
    divide(row.rounds[round] ?? Number.NaN, baseline.rounds[round] ?? Number.NaN),
  );
  return { middle: median(ratios), lowest: Math.min(...ratios), highest: Math.max(...ratios) };
}

/** Two rows that both count nothing are as good as one another. */
function divide(value: number, by: number): number {
  return value === 0 && by === 0 ? 1 : value / by;
}

/** A straight line through values that follow each other at equal distances. */
export interface Trend {
  /** The step from one value to the next. */
  readonly slope: number;
  /** The standard error of the slope. NaN of fewer than three values. */
  readonly error: number;
}

/** The line of least squares. */
export function trendOf(values: readonly number[]): Trend {
  const count = values.length;
  const meanAt = (count - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const spread = (count * (count * count - 1)) / 12;
  const slope = values.reduce((sum, value, at) => sum + (at - meanAt) * (value - mean), 0) / spread;
  const squares = values.reduce((sum, value, at) => sum + (value - mean - slope * (at - meanAt)) ** 2, 0);
  return { slope, error: count < 3 ? Number.NaN : Math.sqrt(squares / (count - 2) / spread) };
}

export function findRow(table: Table, name: string): Row | undefined {
  return table.rows.find((row) => row.name === name);
}

/** A target, what was reached, and whether that is enough. */
export interface Verdict {
  readonly target: Target;
  readonly reached: number;
  readonly met: boolean;
}

export function judge(table: Table): Verdict[] {
  return (table.targets ?? []).flatMap((target) => {
    const row = findRow(table, target.row);
    const against = findRow(table, target.against);
    if (row === undefined || against === undefined) return [];
    const reached = ratioOf(row, against).middle;
    return [
      {
        target,
        reached,
        met: reached <= (target.atMost ?? Infinity) && reached >= (target.atLeast ?? -Infinity),
      },
    ];
  });
}
