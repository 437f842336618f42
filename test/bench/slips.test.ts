import { readFileSync } from 'node:fs';
import {
  describeSlip,
  joined,
  judgeRow,
  landedOn,
  ratioOfFastest,
  type SlipVerdict,
} from '../../bench/slips/judge.js';
import { ROWS, type SlipRow, type SlipTask } from '../../bench/slips/rows.js';
import test from '../helpers/sanitary.js';

const TASK: SlipTask = {
  program: 'processor-time',
  task: { what: 'decode', codec: 'generic codec', bytes: 1 },
};
const ROW: SlipRow = {
  name: 'acquire',
  against: 'a peer',
  bound: 1.25,
  ours: () => TASK,
  peer: () => TASK,
};
const LANDED = { acquire: 0.2 };

function judged(ours: readonly number[], peer: readonly number[]): SlipVerdict {
  return judgeRow(ROW, { ours, peer }, LANDED);
}

test('slow rounds do not move the ratio', (t) => {
  t.is(ratioOfFastest({ ours: [90, 20, 500], peer: [100, 900, 100] }), 0.2);
});

test('a row fails beyond its bound, and not at it', (t) => {
  t.true(judged([25], [100]).passed);
  t.false(judged([25.1], [100]).passed);
});

test('a machine that is twice as slow makes no row slower', (t) => {
  t.is(judged([40], [200]).timesWorse, 1);
});

test('a row that got faster passes', (t) => {
  t.true(judged([5], [100]).passed);
});

test('a row without a landed result fails, and says so', (t) => {
  const verdict = judgeRow({ ...ROW, name: 'other' }, { ours: [1], peer: [1] }, LANDED);
  t.false(verdict.passed);
  t.regex(describeSlip(verdict), /^✗ other: .* no landed result/);
});

test('the rounds of a second try count with those of the first', (t) => {
  const first = { ours: [40], peer: [100] };
  t.false(judgeRow(ROW, first, LANDED).passed);
  t.true(judgeRow(ROW, joined(first, { ours: [22], peer: [120] }), LANDED).passed);
});

test('a row says its ratio, the multiple of the landed one and its bound', (t) => {
  t.is(
    describeSlip(judged([30, 36], [100, 110])),
    '✗ acquire: 0.30 × a peer, 1.50 times the landed ratio, at most 1.25 allowed; rounds 30.0–36.0 and 100–110 ns',
  );
});

test('a row has the landed ratio of its processor, and without one the widest of the others', (t) => {
  const all = [
    { takenAt: '', machine: { cpu: 'one' }, ratios: { acquire: 0.2, decode: 0.05 } },
    { takenAt: '', machine: { cpu: 'other' }, ratios: { acquire: 0.3, decode: 0.07, connect: 2 } },
  ];
  t.deepEqual(landedOn('one', all), { acquire: 0.2, decode: 0.05, connect: 2 });
  t.deepEqual(landedOn('third', all), { acquire: 0.3, decode: 0.07, connect: 2 });
});

test('the landed results have a ratio for each row, on one processor at least, and for no others', (t) => {
  const file = new URL('../../../bench/results/landed.json', import.meta.url);
  const landed: { ratios: Record<string, number> }[] = JSON.parse(readFileSync(file, 'utf8'));
  const names = landed.flatMap(({ ratios }) => Object.keys(ratios));
  t.deepEqual([...new Set(names)].toSorted(), ROWS.map(({ name }) => name).toSorted());
});
