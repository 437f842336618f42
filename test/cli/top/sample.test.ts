import { History } from '../../../src/cli/top/history.js';
import { Snapshots, takeSample } from '../../../src/cli/top/sample.js';
import test from '../../helpers/sanitary.js';
import { pool, snapshot, target, waits } from './kit.js';

test('acquires a second and the average wait are of the time between two samples', (t) => {
  const before = new Snapshots();
  const at = (atMs: number, count: number, sumMs: number) =>
    takeSample([snapshot(atMs, [pool('p', [target({ waitMs: waits(count, sumMs) })])])], before).rows[0];
  t.like(at(1_000, 100, 50), { acquires: undefined, waitMs: undefined });
  t.like(at(1_500, 200, 100), { acquires: 200, waitMs: 0.5 });
  t.like(at(2_500, 200, 100), { acquires: 0, waitMs: undefined });
  // Another pool of that name.
  t.like(at(3_500, 10, 5), { acquires: undefined, waitMs: undefined });
  t.like(at(4_500, 20, 5), { acquires: 10, waitMs: 0 });
});

test('a row says what each connection is there for', (t) => {
  const counts = {
    total: 10,
    idle: 3,
    leased: 4,
    detached: 1,
    connecting: 1,
    pausing: 2,
    waiting: 5,
    oldestWaitMs: 7,
  };
  const sample = takeSample(
    [snapshot(0, [pool('p', [target({ ...counts, timeouts: 8 })])])],
    new Snapshots(),
  );
  t.like(sample, { pid: 42, program: '/srv/server.js' });
  t.like(sample.rows[0], {
    target: 'echo 1.0.0',
    leased: 4,
    waiting: 5,
    idle: 3,
    detached: 1,
    checking: 2,
    connecting: 3,
    max: 10,
    maxWaitMs: 7,
    timeouts: 8,
  });
});

test('a pool without targets has a row, pools of other threads are named so, and a pool is shown once', (t) => {
  const main = snapshot(0, [pool('a', []), pool('a', [])]);
  const { pools, rows } = takeSample([main, snapshot(0, [pool('a', [target()])], 3), main], new Snapshots());
  t.deepEqual(
    pools.map(({ name }) => name),
    ['a', 'a (thread 3)'],
  );
  t.deepEqual(
    rows.map(({ target: title }) => title),
    ['', 'echo 1.0.0'],
  );
});

test('the history forgets rows that are gone', (t) => {
  const history = new History();
  const before = new Snapshots();
  for (const atMs of [0, 1_000]) history.add(takeSample([snapshot(atMs, [pool('p', [target()])])], before));
  const [row] = takeSample([snapshot(2_000, [pool('p', [target()])])], before).rows;
  t.deepEqual(row && history.acquiresOf(row), [undefined, 0]);
  history.add(takeSample([snapshot(3_000, [])], before));
  t.deepEqual(row && [history.acquiresOf(row), history.waitsOf(row)], [[], []]);
});
