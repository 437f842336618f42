import { short, wantedOf } from './print.js';
import type { BenchRun, Table } from './result.js';
import { judge, type Verdict } from './statistics.js';

const HEADER = '<!-- prettier-ignore -->\n| measured | ratio | of | wanted | |\n|---|---|---|---|---|';

/** The targets of a run and what was reached, as a table in Markdown, with the day and the machine below it. */
export function targetTable({ takenAt, machine, cases }: BenchRun): string {
  const lines = cases.flatMap(({ name, tables }) => {
    const verdicts = tables.flatMap((table) => judge(table).map((verdict) => lineOf(table, verdict)));
    return verdicts.length === 0 ? [] : [`| **${name}** | | | | |`, ...verdicts];
  });
  const where = `${machine['system']}, Node ${String(machine['node']).slice(1)}, ${machine['cores']} cores`;
  return [
    HEADER,
    ...lines,
    '',
    `Taken on ${takenAt.slice(0, 10)} at ${takenAt.slice(11, 16)} UTC: ${where}.`,
  ].join('\n');
}

function lineOf(table: Table, { target, reached, met }: Verdict): string {
  const what = `${table.title}, ${table.unit}: ${target.row}`;
  return `| ${what} | ${short(reached)} | ${target.against} | ${wantedOf(target)} | ${met ? '✓' : 'missed'} |`;
}
