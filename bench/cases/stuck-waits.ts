import type { TestTarget } from '../../src/testing/index.js';
import type { BenchCase } from '../harness/case.js';
import { askProgram } from '../harness/child.js';
import type { Turn } from '../harness/closed-loop.js';
import { whole } from '../harness/print.js';
import { startProgram } from '../harness/program.js';
import { mostDescriptors } from '../harness/proc.js';
import { alternate } from '../harness/rounds.js';
import { latencyRow } from '../harness/rows.js';
import { Latencies } from '../harness/statistics.js';
import type { StuckTask } from '../programs/beside-stuck.js';

const WANTED = 2_000;
const CONNECTS = 400;
/** For everything that is not a stuck wait. */
const SPARE_DESCRIPTORS = 200;

/** Do waits for replies that never come hold up the others? */
export const stuckWaits: BenchCase = {
  name: 'stuck-waits',
  question: `How long does a negotiated connect take while ${whole(WANTED)} others wait for replies that never come?`,
  budgetMs: 20_000,
  pictures: ['bars', 'percentiles'],
  async run(context) {
    await using broker = await startProgram<TestTarget>('silent-broker');
    const stuck = Math.min(WANTED, mostDescriptors() - SPARE_DESCRIPTORS);
    const without = { name: 'BrokerPool, nothing stuck', role: 'floor', stuck: 0 } as const;
    const beside = { name: `BrokerPool, ${whole(stuck)} stuck`, role: 'ours', stuck } as const;
    const contenders = [without, beside];
    const turns = await alternate(
      context,
      'stuck waits',
      contenders,
      stuckWaits.budgetMs,
      async (contender): Promise<Turn> => {
        const task: StuckTask = { target: broker.ready, stuck: contender.stuck, connects: CONNECTS };
        const samplesNs = await askProgram<number[]>('beside-stuck', task);
        const latencies = new Latencies();
        for (const sample of samplesNs) latencies.recordNs(sample);
        return { latencies, perSecond: Number.NaN };
      },
    );
    const rows = contenders.map(({ name, role }) => latencyRow(name, role, turns.get(name) ?? []));
    return {
      tables: [
        {
          title: 'negotiated, 1 caller, embedded broker',
          unit: 'µs',
          better: 'lower',
          baseline: without.name,
          rows,
          targets: [{ row: beside.name, against: without.name, atMost: 1.2 }],
        },
      ],
      notes: [
        `Each figure is from a process of its own with one pool; the broker answers one service and is silent about ${whole(stuck)} others.`,
      ],
    };
  },
};
