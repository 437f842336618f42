import { bars, distribution } from '../../bench/harness/pictures.js';
import { describeRun, short } from '../../bench/harness/print.js';
import type { CaseResult, LatencySummary, Row, Table } from '../../bench/harness/result.js';
import test from '../helpers/sanitary.js';

const latency: LatencySummary = {
  count: 2,
  p50: 10,
  p90: 20,
  p99: 20,
  p999: 20,
  max: 20,
  curve: [
    [0.5, 10],
    [1, 20],
  ],
};

function row(name: string, figure: number, more: Partial<Row> = {}): Row {
  return { name, role: 'ours', rounds: [figure, figure], ...more };
}

function resultOf(...tables: Partial<Table>[]): CaseResult {
  const whole = tables.map((table, index): Table => ({
    title: `table ${index}`,
    unit: 'µs',
    better: 'lower',
    baseline: 'base',
    rows: [],
    ...table,
  }));
  return { name: 'case', question: 'How long?', tables: whole, notes: ['a note'], pictures: ['bars'] };
}

/** What a specification draws. */
function valuesOf(specification: object): readonly object[] {
  const { data }: { data?: { values: readonly object[] } } = specification;
  return data?.values ?? [];
}

test('bars are ratios to the baseline; a ratio of nothing has no place on a logarithmic scale', (t) => {
  const result = resultOf({ rows: [row('base', 10, { role: 'floor' }), row('ours', 20), row('none', 0)] });
  const table = 'table 0: µs, lower is better, 1 = base';
  t.deepEqual(valuesOf(bars(result)), [
    { table, name: 'base', role: 'floor', ratio: 1 },
    { table, name: 'ours', role: 'ours', ratio: 2 },
  ]);
});

test('the distribution draws the rows that have one, of the tables that are to be drawn', (t) => {
  const result = resultOf(
    { rows: [row('timed', 10, { latency }), row('counted', 3)] },
    { rows: [row('timed', 10, { latency })], inPictures: false },
  );
  t.deepEqual(valuesOf(distribution(result)), [
    { table: 'table 0', name: 'timed', share: 0.5, latencyUs: 10 },
    { table: 'table 0', name: 'timed', share: 1, latencyUs: 20 },
  ]);
});

test('numbers are as long as they say something', (t) => {
  t.deepEqual([0, 0.0123, 0.123, 1.234, 12.34, 123.4, 12_345, Infinity].map(short), [
    '0',
    '0.012',
    '0.12',
    '1.23',
    '12.3',
    '123',
    '12,345',
    'Infinity',
  ]);
});

test('a printed run shows the machine, each question, figures, ratios, targets and notes', (t) => {
  const targets = [{ row: 'ours', against: 'base', atMost: 1.5 }];
  const result = resultOf({ rows: [row('base', 10), row('ours', 20, { latency })], targets });
  const text = describeRun({ takenAt: '2026-01-01', machine: { node: 'v20' }, cases: [result] });
  for (const part of [
    'node v20',
    '== case: How long?',
    '✗ ours: 2.00 × base, wanted at most 1.50',
    '- a note',
  ])
    t.true(text.includes(part), part);
  t.regex(text, /^ {2}ours +20\.0 +2\.00 +2\.00–2\.00 +20\.0 +20\.0 +20\.0 +20\.0$/m);
});
