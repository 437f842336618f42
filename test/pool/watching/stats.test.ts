import { Histogram } from '../../../src/histogram.js';
import { newCounters, sumCounts, type PoolCounts } from '../../../src/pool/watching/stats.js';
import test from '../../helpers/sanitary.js';

const sumOf = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

function countsOf(factor: number, oldestWaitMs: number): PoolCounts {
  const { createdByRoute, closedByReason, acquiredByRoute } = newCounters();
  const histogram = new Histogram();
  histogram.record(factor);
  return {
    total: 3 * factor,
    idle: factor,
    leased: 2 * factor,
    detached: factor,
    connecting: factor,
    pausing: factor,
    waiting: factor,
    oldestWaitMs,
    created: 5 * factor,
    createdByRoute: { ...createdByRoute, 'hello-skip': 5 * factor },
    closedByReason: { ...closedByReason, idle: factor, error: factor },
    connectFailures: factor,
    retries: factor,
    acquiredByRoute: { ...acquiredByRoute, 'hello-skip': factor },
    timeouts: factor,
    failuresByCode: factor === 1 ? { TIMEOUT: 1, ABORTED: 2 } : { TIMEOUT: factor },
    waitMs: histogram.snapshot(),
    connectMs: histogram.snapshot(),
    useMs: histogram.snapshot(),
  };
}

test('new counters are zero, with one for each route', (t) => {
  const counters = newCounters();
  t.is(sumOf(counters.closedByReason) + sumOf(counters.createdByRoute) + sumOf(counters.acquiredByRoute), 0);
  t.deepEqual(Object.keys(counters.createdByRoute).toSorted(), [
    'broker-negotiated',
    'handle-passed',
    'hello-skip',
  ]);
  t.not(newCounters().closedByReason, counters.closedByReason);
});

test('all counts are added up, and the oldest wait is the longest', (t) => {
  const sum = sumCounts([countsOf(1, 30), countsOf(10, 20)]);
  t.like(sum, {
    total: 33,
    idle: 11,
    leased: 22,
    connecting: 11,
    pausing: 11,
    waiting: 11,
    oldestWaitMs: 30,
    created: 55,
    connectFailures: 11,
    retries: 11,
    timeouts: 11,
    failuresByCode: { TIMEOUT: 11, ABORTED: 2 },
    createdByRoute: { 'hello-skip': 55, 'broker-negotiated': 0 },
    closedByReason: { idle: 11, error: 11, stale: 0 },
    acquiredByRoute: { 'hello-skip': 11 },
    waitMs: { count: 2, sumMs: 11, maxMs: 10 },
    connectMs: { count: 2, sumMs: 11, maxMs: 10 },
    useMs: { count: 2, sumMs: 11, maxMs: 10 },
  });
  t.is(sum.created - sumOf(sum.closedByReason), sum.total);
  t.true(
    Object.isFrozen(sum.createdByRoute) &&
      Object.isFrozen(sum.closedByReason) &&
      Object.isFrozen(sum.acquiredByRoute),
  );
});

test('the sum of no counts is zero', (t) => {
  t.like(sumCounts([]), { total: 0, oldestWaitMs: 0, created: 0, waitMs: { count: 0 } });
});
