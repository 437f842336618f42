import * as fc from 'fast-check';
import type { Row, Table } from '../../bench/harness/result.js';
import { judge, Latencies, median, ratioOf, trendOf } from '../../bench/harness/statistics.js';
import test from '../helpers/sanitary.js';

function row(name: string, ...rounds: number[]): Row {
  return { name, role: 'ours', rounds };
}

test('the median is the middle value, or the mean of the two in the middle', (t) => {
  t.is(median([3, 1, 2]), 2);
  t.is(median([4, 1, 3, 2]), 2.5);
  t.is(median([7]), 7);
  t.is(median([]), Number.NaN);
});

test('the median lies between the smallest and the largest and does not depend on the order', (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -1_000, max: 1_000 }), { minLength: 1 }), (values) => {
      const middle = median(values);
      return (
        middle >= Math.min(...values) &&
        middle <= Math.max(...values) &&
        middle === median(values.toReversed())
      );
    }),
  );
  t.pass();
});

test('a ratio is taken round by round, so that a slow round moves nothing', (t) => {
  const baseline = row('baseline', 10, 1_000, 10);
  t.deepEqual(ratioOf(row('ours', 20, 2_000, 20), baseline), { middle: 2, lowest: 2, highest: 2 });
});

test('a ratio shows the rounds that differed', (t) => {
  t.deepEqual(ratioOf(row('ours', 10, 20, 40), row('baseline', 10, 10, 10)), {
    middle: 2,
    lowest: 1,
    highest: 4,
  });
});

test('rounds that only one of the two has do not count', (t) => {
  t.is(ratioOf(row('ours', 10, 20), row('baseline', 10, 20, 5)).middle, 1);
});

test('the ratio of two zeros is 1, of zero to another value 0, of another value to zero infinite', (t) => {
  t.is(ratioOf(row('ours', 0), row('baseline', 0)).middle, 1);
  t.is(ratioOf(row('ours', 0), row('baseline', 400)).middle, 0);
  t.is(ratioOf(row('ours', 4), row('baseline', 0)).middle, Infinity);
});

test('percentiles are those of the samples, within the three figures of the histogram', (t) => {
  const latencies = new Latencies();
  for (let sample = 1; sample <= 10_000; sample++) latencies.recordNs(sample * 1_000);
  const { count, p50, p90, p99, p999, max } = latencies.summary();
  t.is(count, 10_000);
  for (const [value, expected] of [
    [p50, 5_000],
    [p90, 9_000],
    [p99, 9_900],
    [p999, 9_990],
    [max, 10_000],
  ] as const) {
    t.true(Math.abs(value - expected) <= expected / 500, `${value} is not about ${expected}`);
  }
});

test('adding latencies adds their samples', (t) => {
  const some = new Latencies();
  const others = new Latencies();
  some.recordNs(1_000);
  others.recordNs(3_000n);
  others.recordNs(0);
  some.add(others);
  t.is(some.count, 3);
});

const table: Table = {
  title: 'a table',
  unit: 'µs',
  better: 'lower',
  baseline: 'peer',
  rows: [row('ours', 11, 11, 11), row('peer', 10, 10, 10)],
};

test('a target is met up to its limit and not beyond', (t) => {
  const verdicts = (atMost: number): boolean[] =>
    judge({ ...table, targets: [{ row: 'ours', against: 'peer', atMost }] }).map(({ met }) => met);
  t.deepEqual(verdicts(1.1), [true]);
  t.deepEqual(verdicts(1.09), [false]);
  const [verdict] = judge({ ...table, targets: [{ row: 'ours', against: 'peer', atLeast: 1.2 }] });
  t.false(verdict?.met);
});

test('a target about a row that was not measured says nothing', (t) => {
  t.deepEqual(judge({ ...table, targets: [{ row: 'ours', against: 'Rust client', atMost: 1 }] }), []);
  t.deepEqual(judge(table), []);
});

test('the trend of values on a line is its slope, without error', (t) => {
  t.deepEqual(trendOf([1, 3, 5, 7]), { slope: 2, error: 0 });
});

test('noise around a level has a slope within two of its errors', (t) => {
  const { slope, error } = trendOf([10, 12, 9, 11, 10, 12, 9, 11]);
  t.true(Math.abs(slope) < 2 * error, `${slope} ± ${error}`);
});
