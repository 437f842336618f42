import type { BenchRun, Row, Table } from './result.js';
import { findRow, ratioOf, type Ratio } from './statistics.js';

/** Less than this is not worth a word, however quiet the machine was. */
const SMALLEST_CHANGE = 1.05;

/** The change of one of our rows between two runs, relative to its table's baseline. */
export interface Change {
  /** Case, table and row. */
  readonly where: string;
  readonly before: Ratio;
  readonly after: Ratio;
  /** The factor by which it is worse now; below 1 it is better. */
  readonly timesWorse: number;
  readonly verdict: 'slower' | 'faster' | 'same';
}

/** Two runs beside each other. */
export interface Comparison {
  readonly changes: readonly Change[];
  /** Rows that only one of the runs has. */
  readonly unmatched: readonly string[];
}

/**
 * Compares ratios with ratios, never times with times: how fast the machine was that day is in both figures
 * of a ratio, and drops out. Peers and floors are what ours is measured by; their own ratios are not
 * compared.
 */
export function compareRuns(before: BenchRun, after: BenchRun): Comparison {
  // Cases that were not asked for this time are not missing.
  const older = tablesOf({
    ...before,
    cases: before.cases.filter(({ name }) => after.cases.some((one) => one.name === name)),
  });
  const newer = tablesOf(after);
  const changes: Change[] = [];
  const unmatched: string[] = [];
  for (const [key, oldTable] of older) {
    const table = newer.get(key);
    if (table === undefined) unmatched.push(`${key}: only in the older run`);
    else
      for (const { name } of ownRows(oldTable))
        if (findRow(table, name) === undefined) unmatched.push(`${key} · ${name}: only in the older run`);
  }
  for (const [key, table] of newer) {
    const oldTable = older.get(key);
    if (oldTable === undefined) unmatched.push(`${key}: only in this run`);
    else for (const row of ownRows(table)) addChange(key, oldTable, table, row, changes, unmatched);
  }
  return { changes, unmatched };
}

/** The rows of ours that are slower by more than the factor, beyond the noise of both runs. */
export function slips({ changes }: Comparison, bound: number): readonly Change[] {
  return changes.filter(({ verdict, timesWorse }) => verdict === 'slower' && timesWorse > bound);
}

/** Reads the file of an older run. Throws for any other file. */
export function parseRun(file: string, text: string): BenchRun {
  const content: unknown = JSON.parse(text);
  if (!isRun(content)) throw new Error(`${file} is no run of these benches: it has no list of cases`);
  return content;
}

function isRun(content: unknown): content is BenchRun {
  return (
    typeof content === 'object' && content !== null && 'cases' in content && Array.isArray(content.cases)
  );
}

function addChange(
  key: string,
  oldTable: Table,
  table: Table,
  row: Row,
  changes: Change[],
  unmatched: string[],
): void {
  const where = `${key} · ${row.name}`;
  const oldRow = findRow(oldTable, row.name);
  const baseline = findRow(table, table.baseline);
  // This run's baseline in both, or a peer that has overtaken another would look like a change of ours.
  const oldBaseline = findRow(oldTable, table.baseline);
  if (oldRow === undefined || baseline === undefined || oldBaseline === undefined) {
    unmatched.push(`${where}: only in this run`);
    return;
  }
  changes.push(describeChange(where, ratioOf(oldRow, oldBaseline), ratioOf(row, baseline), table.better));
}

function describeChange(where: string, before: Ratio, after: Ratio, better: Table['better']): Change {
  const timesMore = before.middle === after.middle ? 1 : after.middle / before.middle;
  const timesWorse = better === 'lower' ? timesMore : 1 / timesMore;
  const verdict =
    !isClear(before, after) || Math.max(timesWorse, 1 / timesWorse) < SMALLEST_CHANGE
      ? 'same'
      : timesWorse > 1
        ? 'slower'
        : 'faster';
  return { where, before, after, timesWorse, verdict };
}

/**
 * Whether each run's middle lies outside all that the other saw: otherwise the rounds differ as much as the
 * runs.
 */
function isClear(before: Ratio, after: Ratio): boolean {
  return isOutside(after.middle, before) && isOutside(before.middle, after);
}

function isOutside(value: number, { lowest, highest }: Ratio): boolean {
  return value < lowest || value > highest;
}

function ownRows(table: Table): Row[] {
  return table.rows.filter(({ name, role }) => role === 'ours' && name !== table.baseline);
}

function tablesOf(run: BenchRun): Map<string, Table> {
  const keyed = run.cases.flatMap(({ name, tables }) =>
    tables.map((table) => [`${name} · ${table.title} (${table.unit})`, table] as const),
  );
  return new Map(keyed);
}
