import { targetTable } from '../../bench/harness/target-table.js';
import type { BenchRun } from '../../bench/harness/result.js';
import test from '../helpers/sanitary.js';

const run: BenchRun = {
  takenAt: '2026-02-03T04:05:06.007Z',
  machine: { system: 'Linux 6', node: 'v20.1.0', cores: 2 },
  cases: [
    {
      name: 'connects',
      question: 'How long?',
      notes: [],
      pictures: [],
      tables: [
        {
          title: 'one caller',
          unit: 'µs',
          better: 'lower',
          baseline: 'peer',
          rows: [
            { name: 'ours', role: 'ours', rounds: [10, 20] },
            { name: 'peer', role: 'peer', rounds: [10, 10] },
          ],
          targets: [
            { row: 'ours', against: 'peer', atMost: 2 },
            { row: 'ours', against: 'peer', atLeast: 2 },
          ],
        },
      ],
    },
    { name: 'without targets', question: 'What?', notes: [], pictures: [], tables: [] },
  ],
};

test('the table of a run has a line for each target, met or missed, and says when and where it was taken', (t) => {
  t.deepEqual(targetTable(run).split('\n').slice(3), [
    '| **connects** | | | | |',
    '| one caller, µs: ours | 1.50 | peer | at most 2.00 | ✓ |',
    '| one caller, µs: ours | 1.50 | peer | at least 2.00 | missed |',
    '',
    'Taken on 2026-02-03 at 04:05 UTC: Linux 6, Node 20.1.0, 2 cores.',
  ]);
});
