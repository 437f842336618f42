import { inLightAndDark, LIGHT } from '../../bench/harness/colours.js';
import { textWidth, wrapped } from '../../bench/harness/letter-widths.js';
import { bars, percentiles } from '../../bench/harness/pictures.js';
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

/** The figures that each panel of a specification draws. */
function valuesOf({ concat }: ReturnType<typeof bars>): (readonly object[])[] {
  return concat.map(({ data }) => data.values);
}

test('bars are as long as the figures of the rows', (t) => {
  const result = resultOf({ rows: [row('base', 10, { role: 'floor' }), row('ours', 20), row('none', 0)] });
  t.deepEqual(valuesOf(bars(result)), [
    [
      { name: 'base', role: 'floor', length: 10, figure: '10.0 µs' },
      { name: 'ours', role: 'ours', length: 20, figure: '20.0 µs' },
      { name: 'none', role: 'ours', length: 0, figure: '0 µs' },
    ],
  ]);
});

test('a bar far longer than ours and the baseline is cut off, and the picture says so', (t) => {
  const pictureWith = (figure: number): ReturnType<typeof bars> =>
    bars(resultOf({ rows: [row('base', 10), row('ours', 20), row('peer', figure, { role: 'peer' })] }));
  const [[, , peer] = []] = valuesOf(pictureWith(500));
  t.deepEqual(peer, { name: 'peer', role: 'peer', length: 80, figure: '… 500 µs' });
  const explained = (figure: number): boolean =>
    JSON.stringify(pictureWith(figure).title).includes('is cut off');
  t.deepEqual([80, 81].map(explained), [false, true]);
});

test('a panel of nanoseconds has its figures in µs from 10,000 ns on', (t) => {
  const figuresWith = (longest: number, unit = 'ns'): unknown[] => {
    const result = resultOf({ unit, rows: [row('base', longest), row('ours', 6_815)] });
    return valuesOf(bars(result)).flatMap((panel) => panel.map((bar) => Reflect.get(bar, 'figure')));
  };
  t.deepEqual(figuresWith(9_999), ['9,999 ns', '6,815 ns']);
  t.deepEqual(figuresWith(10_000), ['10.0 µs', '6.82 µs']);
  t.deepEqual(figuresWith(10_000, 'requests/s'), ['10,000 requests/s', '6,815 requests/s']);
});

test('the title of a panel says how ours compares with the baseline', (t) => {
  const result = resultOf({ rows: [row('base', 10, { role: 'peer' }), row('ours', 20)] });
  const [panel] = bars(result).concat;
  t.like(panel?.title, { text: ['table 0'], subtitle: ['ours:', '2.00 × base; lower is better'] });
});

test('the title of a panel has the range of the ratios where their median is far from the ratio of the bars', (t) => {
  const lastLineWith = (...rounds: number[]): unknown => {
    const rows = [row('base', 0, { role: 'peer', rounds: [10, 20, 40] }), row('ours', 0, { rounds })];
    const { subtitle } = Object(bars(resultOf({ rows })).concat[0]?.['title']);
    return subtitle.at(-1);
  };
  // The bars: 20 and 20. The ratios: 2, 1 and 0.25.
  t.is(lastLineWith(20, 20, 10), '1.00 × base; lower is better');
  // The bars: 20 and 20. The ratios: 2, 1.5 and 0.5.
  t.is(lastLineWith(20, 30, 20), 'single rounds: 0.50–2.00');
  // The bars: 20 and 40. The ratios: 4, 0.5 and 1.
  t.is(lastLineWith(40, 10, 40), 'single rounds: 0.50–4.00');
});

test('the title of a panel speaks of the row that answers the question', (t) => {
  const rows = [row('10', 10), row('100', 11), row('1,000', 30)];
  const [panel] = bars(resultOf({ baseline: '10', answer: '1,000', rows })).concat;
  t.like(panel?.title, { subtitle: ['1,000:', '3.00 × 10; lower is better'] });
});

test('percentiles are those of the rows with latencies, in the tables that the picture shows', (t) => {
  const timed = row('timed', 10, { latency });
  const result = resultOf(
    { rows: [timed, row('counted', 3)] },
    { rows: [row('counted', 3)] },
    { rows: [timed], pictures: ['bars'] },
  );
  t.deepEqual(valuesOf(percentiles(result)), [[{ name: 'timed', role: 'ours', p50: 10, p99: 20, p999: 20 }]]);
});

test('every colour of a picture has another on a dark page', (t) => {
  const svg = inLightAndDark('<svg width="1"><g/></svg>');
  for (const colour of Object.values(LIGHT))
    t.regex(svg, new RegExp(`\\[fill="${colour}"\\]\\{fill:#(?!${colour.slice(1)})`));
  t.true(svg.startsWith('<svg width="1"><style>@media (prefers-color-scheme:dark){'));
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

test('panels with short labels stand side by side, and with long ones one below the other', (t) => {
  const columnsWith = (name: string): unknown => {
    const table = { rows: [row('base', 10, { role: 'peer' }), row(name, 20)] };
    return bars(resultOf(table, table))['columns'];
  };
  t.is(columnsWith('ours'), 2);
  t.is(columnsWith('a name that is far too long for two panels'), 1);
});

/** Forty words, too long for any line. */
const LONG_TEXT = Array.from({ length: 40 }, () => 'word').join(' ');

test('a long question is broken into lines that leave its margins to the widest picture', (t) => {
  const { text } = bars({ ...resultOf({ rows: [row('ours', 20)] }), question: LONG_TEXT }).title;
  t.is(text.join(' '), LONG_TEXT);
  t.is(text.length, 3);
  t.true(text.every((line) => textWidth(line, 16, true) <= 832 - 2 * 16));
});

test('a long title of a panel is broken into lines as wide as labels and panel', (t) => {
  const [panel] = bars(resultOf({ title: LONG_TEXT, rows: [row('ours', 20)] })).concat;
  const { text } = Object(panel?.['title']);
  t.is(text.join(' '), LONG_TEXT);
  const widest = textWidth('ours', 12) + 8 + Number(panel?.['width']);
  t.true(text.length > 1);
  t.true(text.every((line: string) => textWidth(line, 13, true) <= widest));
});

test('a bar leaves room for the figure behind it', (t) => {
  const [panel] = bars(
    resultOf({ rows: [row('ours', 20), row('base', 1)], unit: 'requests a second' }),
  ).concat;
  const [, longest] = Object(panel?.['encoding']).x.scale.domain;
  const width = Number(panel?.['width']);
  t.true((20 / longest) * width + textWidth('20.0 requests a second', 12) < width);
});

test('a text is as wide as its letters in DejaVu Sans', (t) => {
  t.is(textWidth('', 10), 0);
  t.is(textWidth('iW', 1_000), 278 + 989);
  t.is(textWidth('iW', 1_000, true), 343 + 1_103);
  t.is(textWidth('…', 12), 12);
});

test('a word that is wider than a line has one of its own', (t) => {
  t.deepEqual(wrapped('a unbreakable b c', textWidth('b c', 12), 12), ['a', 'unbreakable', 'b c']);
  t.deepEqual(wrapped('unbreakable', 1, 12), ['unbreakable']);
});
