/**
 * The result of a bench: plain data, so that it can cross processes, be written as JSON, compared with an
 * older run, printed and drawn by code that knows no bench.
 */

/**
 * Whose figure a row is: this library's, that of what a user would pick instead, or one for scale: of what
 * cannot be done without, or of this library with less to do.
 */
export type Role = 'ours' | 'peer' | 'floor';

/** A distribution over all rounds, in microseconds. */
export interface LatencySummary {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** One contender's line in a table. */
export interface Row {
  readonly name: string;
  readonly role: Role;
  /**
   * One figure for each round, in the table's unit. Rounds of the same number ran side by side with those of
   * the other rows.
   */
  readonly rounds: readonly number[];
  readonly latency?: LatencySummary;
}

/** The target of a row, as a multiple of another row of its table. */
export interface Target {
  readonly row: string;
  readonly against: string;
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** Figures that may be compared with one another. */
export interface Table {
  readonly title: string;
  readonly unit: string;
  readonly better: 'lower' | 'higher';
  /** The row whose figures are 1. */
  readonly baseline: string;
  /** The row that pictures compare with it in words. @default the first one of ours */
  readonly answer?: string;
  readonly rows: readonly Row[];
  readonly targets?: readonly Target[];
  /** The pictures of its case that show it. @default all of them */
  readonly pictures?: readonly PictureKind[];
}

/** `bars` show the figures of the rows, `percentiles` the latencies of all rounds. */
export type PictureKind = 'bars' | 'percentiles';

/** The result of one bench. */
export interface CaseResult {
  readonly name: string;
  readonly question: string;
  readonly tables: readonly Table[];
  /** Facts that a reader needs to judge the figures. */
  readonly notes: readonly string[];
  readonly pictures: readonly PictureKind[];
}

/** The results of one call of the program. */
export interface BenchRun {
  readonly takenAt: string;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly cases: readonly CaseResult[];
}
