import { compareRuns, parseRun, slips } from '../../bench/harness/compare.js';
import { describeComparison } from '../../bench/harness/print.js';
import type { BenchRun, Row, Table } from '../../bench/harness/result.js';
import test from '../helpers/sanitary.js';

function row(name: string, role: Row['role'], rounds: readonly number[]): Row {
  return { name, role, rounds };
}

function run(ours: readonly number[], floor: readonly number[], table: Partial<Table> = {}): BenchRun {
  const rows = [row('ours', 'ours', ours), row('floor', 'floor', floor)];
  const whole: Table = { title: 'connect', unit: 'µs', better: 'lower', baseline: 'floor', rows, ...table };
  return {
    takenAt: '2026-01-01',
    machine: {},
    cases: [{ name: 'case', question: '?', tables: [whole], notes: [], pictures: [] }],
  };
}

function onlyChange(before: BenchRun, after: BenchRun) {
  const { changes } = compareRuns(before, after);
  if (changes.length !== 1 || changes[0] === undefined) throw new Error(`${changes.length} changes`);
  return changes[0];
}

const BEFORE = run([20, 20.2, 19.8], [10, 10, 10]);

test('a machine that is twice as slow today makes nothing slower', (t) => {
  t.like(onlyChange(BEFORE, run([40, 40.4, 39.6], [20, 20, 20])), { verdict: 'same', timesWorse: 1 });
});

test('a row that takes longer against its baseline is slower, by the factor of the two ratios', (t) => {
  const change = onlyChange(BEFORE, run([30, 30.3, 29.7], [10, 10, 10]));
  t.is(change.verdict, 'slower');
  t.is(change.timesWorse, 1.5);
});

test('a row that takes less time against its baseline is faster', (t) => {
  t.is(onlyChange(BEFORE, run([10, 10.1, 9.9], [10, 10, 10])).verdict, 'faster');
});

test('where higher figures are better, a lower one is slower and a higher one faster', (t) => {
  const better = 'higher';
  t.is(
    onlyChange(run([20, 20], [10, 10], { better }), run([10, 10], [10, 10], { better })).verdict,
    'slower',
  );
  t.is(
    onlyChange(run([10, 10], [10, 10], { better }), run([20, 20], [10, 10], { better })).verdict,
    'faster',
  );
});

test('a change that the rounds of a run show among themselves is noise', (t) => {
  t.is(onlyChange(run([10, 20, 40], [10, 10, 10]), run([12, 26, 39], [10, 10, 10])).verdict, 'same');
});

test('a slip is a row that got slower by more than the bound', (t) => {
  const comparison = compareRuns(BEFORE, run([30, 30.3, 29.7], [10, 10, 10]));
  t.is(slips(comparison, 1.4).length, 1);
  t.is(slips(comparison, 1.6).length, 0);
  t.is(slips(compareRuns(BEFORE, run([10, 10.1, 9.9], [10, 10, 10])), 1.4).length, 0);
});

test('a change of less than a twentieth is not worth a word', (t) => {
  t.is(onlyChange(BEFORE, run([20.9, 20.9, 20.9], [10, 10, 10])).verdict, 'same');
});

test('the first failure after none is slower, and none after failures is faster', (t) => {
  const none = run([0, 0], [400, 400]);
  const some = run([3, 3], [400, 400]);
  t.is(onlyChange(none, some).verdict, 'slower');
  t.is(onlyChange(some, none).verdict, 'faster');
  t.is(onlyChange(none, none).verdict, 'same');
});

test('another baseline than before: both runs are measured by the one of now', (t) => {
  const peers = (first: number, second: number, ours: number, baseline: string): BenchRun => {
    const rows = [
      row('ours', 'ours', [ours, ours]),
      row('first', 'peer', [first, first]),
      row('second', 'peer', [second, second]),
    ];
    return run([], [], { rows, baseline });
  };
  t.is(onlyChange(peers(10, 20, 5, 'first'), peers(10, 8, 5, 'second')).before.middle, 0.25);
});

test('baselines are not compared', (t) => {
  t.deepEqual(
    compareRuns(BEFORE, run([20, 20, 20], [10, 10, 10])).changes.map(({ where }) => where),
    ['case · connect (µs) · ours'],
  );
});

test('a table that only one of the runs has is named', (t) => {
  const { changes, unmatched } = compareRuns(BEFORE, run([20, 20], [10, 10], { title: 'other' }));
  t.deepEqual(changes, []);
  t.deepEqual(unmatched, [
    'case · connect (µs): only in the older run',
    'case · other (µs): only in this run',
  ]);
});

test('a row of ours that only the older run has is named', (t) => {
  const rows = [row('ours', 'ours', [10]), row('gone', 'ours', [10]), row('floor', 'floor', [10])];
  const { unmatched } = compareRuns(run([], [], { rows }), run([10], [10]));
  t.deepEqual(unmatched, ['case · connect (µs) · gone: only in the older run']);
});

test('cases that were not asked for this time are not missing', (t) => {
  const [first] = BEFORE.cases;
  if (first === undefined) return t.fail();
  const both: BenchRun = { ...BEFORE, cases: [first, { ...first, name: 'another case' }] };
  t.deepEqual(compareRuns(both, BEFORE).unmatched, []);
});

test('a file that is no run is refused by its name', (t) => {
  t.deepEqual(parseRun('a.json', JSON.stringify(BEFORE)), BEFORE);
  for (const text of ['{"foo":1}', 'null', '3'])
    t.throws(() => parseRun('a.json', text), { message: /a\.json is no run/ });
});

test('the report counts, and puts the worst first', (t) => {
  const rows = (a: number, b: number): Partial<Table> => ({
    rows: [row('a', 'ours', [a, a]), row('b', 'ours', [b, b]), row('floor', 'floor', [10, 10])],
  });
  const text = describeComparison(compareRuns(run([], [], rows(10, 10)), run([], [], rows(20, 30))));
  t.true(text.startsWith('slower: 2\n'), text);
  t.true(text.indexOf('· b:') < text.indexOf('· a:'), text);
  t.regex(text, /1\.00 → 3\.00 × the baseline, 3\.00 times worse/);
});
