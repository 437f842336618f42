import { assert, integer, property } from 'fast-check';
import { frameOf, processTable, type View } from '../../../src/cli/top/frame.js';
import { History } from '../../../src/cli/top/history.js';
import { Snapshots, takeSample, type Sample } from '../../../src/cli/top/sample.js';
import test from '../../helpers/sanitary.js';
import { pool, snapshot, target, waits } from './kit.js';

const VIEW: View = { columns: 80, rows: 24, isColoured: false, note: 'q quits', nowUnixMs: 64_000 };

/** Three samples of two pools. */
function watched(): { sample: Sample; history: History } {
  const history = new History();
  const before = new Snapshots();
  let sample: Sample | undefined;
  for (const second of [0, 1, 2, 3]) {
    const busy = target({
      total: 10,
      leased: 10,
      waiting: 3,
      oldestWaitMs: 1_500,
      waitMs: waits(1_000 * second ** 2, 500 * second),
    });
    const pools = [pool('builds', [busy], { maxTotal: 12 }), pool('queries', [])];
    sample = takeSample([snapshot(second * 1_000, pools)], before);
    history.add(sample);
  }
  return { sample: sample!, history };
}

test('a frame shows pools, targets and sparklines', (t) => {
  const { sample, history } = watched();
  t.deepEqual(frameOf(sample, history, VIEW), [
    'process 42   /srv/server.js   up 1 min 4 s                               q quits',
    '',
    'POOL / TARGET               LEASED  WAITING  IDLE   MAX  MAXWAIT  ACQ/S  AVGWAIT',
    'builds   10 of 12 connections, driver worker',
    '  echo 1.0.0                    10        3     0    10     1.5s     5k   0.10ms',
    '  acquires/s             ▂▅█ peak 5k            wait             █▃▂ peak 0.50ms',
    'queries   0 connections, driver worker',
    '  (no target yet)                0        0     0    10      0ms      0        -',
    '  acquires/s             ▁▁▁ peak 0             wait                 peak 0ms',
  ]);
});

test('a wide view has all columns, and a narrow one the most important', (t) => {
  const { sample, history } = watched();
  const head = (columns: number) =>
    frameOf(sample, history, { ...VIEW, columns })[2]
      ?.trim()
      .split(/ +/)
      .slice(3);
  t.deepEqual(head(140)?.slice(-5), ['CONNECTING', 'DETACHED', 'CHECKING', 'TIMEOUTS', 'FAILURES']);
  t.deepEqual(head(50), ['LEASED', 'WAITING', 'IDLE', 'MAX']);
  t.deepEqual(head(20), []);
});

test('no line is longer than the view, and no frame has more lines', (t) => {
  const { sample, history } = watched();
  assert(
    property(integer({ min: 1, max: 200 }), integer({ min: 1, max: 30 }), (columns, rows) => {
      const lines = frameOf(sample, history, { ...VIEW, columns, rows });
      return lines.length <= rows && lines.every((line) => line.length <= columns);
    }),
  );
  t.pass();
});

test('a frame that is too long says how many lines are missing', (t) => {
  const { sample, history } = watched();
  t.is(frameOf(sample, history, { ...VIEW, rows: 5 }).at(-1), '… 5 more lines');
});

test('waiting callers and long waits are coloured', (t) => {
  const { sample, history } = watched();
  const row = frameOf(sample, history, { ...VIEW, isColoured: true })[4] ?? '';
  t.true(row.includes('\u001B[33m        3\u001B[0m'));
  t.true(row.includes('\u001B[31m     1.5s\u001B[0m'));
});

test('names are escaped, so that a service cannot write to the terminal', (t) => {
  const name = 'evil\u001B[2J';
  const sample = takeSample([snapshot(0, [pool(name, [target({ serviceName: name })])])], new Snapshots());
  t.false(frameOf(sample, new History(), VIEW).join('').includes('\u001B'));
});

test('a pool that is closing says so', (t) => {
  const sample = takeSample([snapshot(0, [pool('p', [], { state: 'closing' })])], new Snapshots());
  t.is(frameOf(sample, new History(), VIEW)[3], 'p   0 connections, driver worker, closing');
});

test('a process without open pools has a line that says so', (t) => {
  const sample = takeSample([snapshot(0, [])], new Snapshots());
  t.is(frameOf(sample, new History(), VIEW).at(-1), 'no open pools');
});

test('processes are listed with the sums of their pools', (t) => {
  const one = pool('a', [], { leased: 2, waiting: 1 });
  t.deepEqual(
    processTable([{ pid: 42, snapshots: [snapshot(0, [one, one]), snapshot(0, [one], 1)] }], false),
    ['     PID  POOLS  LEASED  WAITING  PROGRAM', '      42      3       6        3  /srv/server.js'],
  );
});
