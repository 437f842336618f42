import * as fc from 'fast-check';
import { addHistograms, BUCKET_BOUNDS_MS, Histogram } from '../src/histogram.js';
import test from './helpers/sanitary.js';

function histogramOf(durations: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const duration of durations) histogram.record(duration);
  return histogram;
}

test('an empty histogram counts nothing', (t) => {
  const snapshot = new Histogram().snapshot();
  t.like(snapshot, { count: 0, sumMs: 0, maxMs: 0, boundsMs: BUCKET_BOUNDS_MS });
  t.deepEqual(snapshot.counts, BUCKET_BOUNDS_MS.map(() => 0).concat(0));
});

test('a duration equal to a bound falls below it, a longer one above', (t) => {
  for (const [index, bound] of BUCKET_BOUNDS_MS.entries()) {
    const { counts } = histogramOf([bound, bound + 1e-6]).snapshot();
    t.deepEqual([counts[index], counts[index + 1]], [1, 1], `${bound} ms`);
  }
  t.is(histogramOf([1e9]).snapshot().counts.at(-1), 1);
});

test('zeros that were not recorded fall into the first bucket, and change no sum', (t) => {
  const histogram = histogramOf([0.05, 3]);
  const snapshot = histogram.snapshot(10);
  t.like(snapshot, { count: 12, sumMs: 3.05, maxMs: 3 });
  t.is(snapshot.counts[0], 11);
  t.is(histogram.snapshot().count, 2, 'nor the histogram');
});

test('a snapshot is frozen and does not change with its histogram', (t) => {
  const histogram = histogramOf([1]);
  const snapshot = histogram.snapshot();
  histogram.record(2);
  t.is(snapshot.count, 1);
  t.true(Object.isFrozen(snapshot) && Object.isFrozen(snapshot.counts) && Object.isFrozen(snapshot.boundsMs));
});

test('histograms added up are the histogram of all durations', (t) => {
  const durations = fc.array(fc.integer({ min: 0, max: 60_000 }));
  t.notThrows(() => {
    fc.assert(
      fc.property(durations, durations, (some, others) => {
        const together = histogramOf([...some, ...others]).snapshot();
        const added = addHistograms([histogramOf(some).snapshot(), histogramOf(others).snapshot()]);
        return (
          JSON.stringify(added) === JSON.stringify(together) &&
          together.counts.reduce((sum, count) => sum + count, 0) === together.count
        );
      }),
    );
  });
  t.is(addHistograms([]).count, 0);
  t.true(Object.isFrozen(addHistograms([])));
});
