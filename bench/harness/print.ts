import type { Change, Comparison } from './compare.js';
import type { BenchRun, CaseResult, Row, Table, Target } from './result.js';
import { findRow, judge, median, ratioOf, type Ratio, type Verdict } from './statistics.js';

/** The whole run for people. */
export function describeRun(run: BenchRun): string {
  const machine = Object.entries(run.machine)
    .map(([key, value]) => `${key} ${value}`)
    .join(' · ');
  return [machine, ...run.cases.map(describeCase), describeVerdicts(run)].join('\n\n');
}

/** Counts the targets that are met, and names the others. */
function describeVerdicts(run: BenchRun): string {
  const verdicts = run.cases.flatMap(({ name, tables }) =>
    tables.flatMap((table) => judge(table).map((verdict) => ({ name, table, verdict }))),
  );
  const missed = verdicts.filter(({ verdict }) => !verdict.met);
  return [
    `targets met: ${verdicts.length - missed.length} of ${verdicts.length}`,
    ...missed.map(
      ({ name, table, verdict }) => `${describeVerdict(verdict)}   (${name}, ${table.title}, ${table.unit})`,
    ),
  ].join('\n');
}

function describeCase({ name, question, tables, notes }: CaseResult): string {
  return [
    `== ${name}: ${question}`,
    ...tables.map(describeTable),
    notes.map((note) => `- ${note}`).join('\n'),
  ].join('\n\n');
}

function describeTable(table: Table): string {
  const timed = table.rows.some(({ latency }) => latency !== undefined);
  const header = [table.title, table.unit, '×', 'rounds', ...(timed ? ['p90', 'p99', 'p99.9', 'max'] : [])];
  const lines = table.rows.map((row) => cellsOf(row, table));
  return [aligned([header, ...lines]), ...judge(table).map(describeVerdict)].join('\n');
}

function cellsOf(row: Row, table: Table): string[] {
  const { latency } = row;
  const tail = latency === undefined ? [] : [latency.p90, latency.p99, latency.p999, latency.max].map(short);
  const baseline = findRow(table, table.baseline);
  const ratio = baseline === undefined || row === baseline ? ['1', ''] : ratioCells(ratioOf(row, baseline));
  return [`  ${row.name}`, short(median(row.rounds)), ...ratio, ...tail];
}

function ratioCells({ middle, lowest, highest }: Ratio): string[] {
  return [short(middle), `${short(lowest)}–${short(highest)}`];
}

function describeVerdict({ target, reached, met }: Verdict): string {
  const { row, against } = target;
  return `  ${met ? '✓' : '✗'} ${row}: ${short(reached)} × ${against}, wanted ${wantedOf(target)}`;
}

/** Describes a target in words. */
export function wantedOf({ atMost, atLeast }: Target): string {
  return atMost === undefined ? `at least ${short(atLeast ?? Number.NaN)}` : `at most ${short(atMost)}`;
}

/** Lists rows that are slower, rows that are faster, and rows that could not be compared. */
export function describeComparison({ changes, unmatched }: Comparison): string {
  const of = (verdict: Change['verdict']): Change[] => changes.filter((change) => change.verdict === verdict);
  const slower = of('slower').toSorted((a, b) => b.timesWorse - a.timesWorse);
  const faster = of('faster').toSorted((a, b) => a.timesWorse - b.timesWorse);
  return [
    `slower: ${slower.length}`,
    ...slower.map((change) => describeChange(change, `${short(change.timesWorse)} times worse`)),
    `faster: ${faster.length}`,
    ...faster.map((change) => describeChange(change, `${short(1 / change.timesWorse)} times better`)),
    `the same within the noise: ${of('same').length}`,
    ...(unmatched.length === 0 ? [] : ['not compared:', ...unmatched.map((what) => `  ${what}`)]),
  ].join('\n');
}

function describeChange({ where, before, after }: Change, by: string): string {
  return `  ${where}: ${short(before.middle)} → ${short(after.middle)} × the baseline, ${by}`;
}

/** A whole number, thousands apart. */
export function whole(count: number): string {
  return count.toLocaleString('en-US');
}

/** Three figures at least, and no more than say something. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size === 0 || size >= 100) return whole(Math.round(value));
  return value.toFixed(size >= 10 ? 1 : size >= 0.1 ? 2 : 3);
}

function aligned(lines: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const line of lines)
    for (const [column, cell] of line.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  const pad = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0);
  return lines.map((line) => line.map(pad).join('  ').trimEnd()).join('\n');
}
