import { spawnTestSystem, type TestTarget } from '../../src/testing/index.js';
import type { BenchCase, BenchContext } from '../harness/case.js';
import { askProgram } from '../harness/child.js';
import { whole } from '../harness/print.js';
import { mostDescriptors } from '../harness/proc.js';
import type { Row, Table } from '../harness/result.js';
import type { GrowAnswer, GrowTask } from '../programs/grow.js';

const SIZES: readonly number[] = [10, 100, 1_000, 10_000];
const BAG_SIZES: readonly number[] = [10, 1_000, 100_000];
const SPARE_DESCRIPTORS = 200;
const MOST_GROWTH = 1.5;
/** Each has as much of the budget. */
const PROGRAMS = 4;

interface Growth {
  readonly title: string;
  readonly kind: GrowTask['kind'];
  readonly program: 'grow' | 'grow-bag';
  readonly sizes: readonly number[];
  readonly what: string;
}

/** Does an acquire cost more where there is more? */
export const growth: BenchCase = {
  name: 'growth',
  question: 'Does acquire and release cost more with 10,000 waiters or 10,000 idle connections than with 10?',
  budgetMs: 45_000,
  pictures: ['bars'],
  async run(context) {
    await using system = await spawnTestSystem({ handoff: 'none' });
    const { target } = system;
    const growths: readonly Growth[] = [
      { title: 'callers that wait for one of 10 connections', kind: 'waiting', program: 'grow', sizes: SIZES, what: 'waiting' },
      { title: 'idle connections, one caller', kind: 'idle', program: 'grow', sizes: openableSizes(), what: 'idle' },
      { title: 'the container alone, waiters', kind: 'waiting', program: 'grow-bag', sizes: BAG_SIZES, what: 'waiting' },
      { title: 'the container alone, idle entries', kind: 'idle', program: 'grow-bag', sizes: BAG_SIZES, what: 'idle' },
    ];
    const tables: Table[] = [];
    for (const one of growths) tables.push(await measure(context, one, target));
    const most = openableSizes().reduce((sum, size) => sum + size, 0);
    return {
      tables,
      notes: [
        `The pools of connections are open side by side: ${whole(most)} connected sockets; ${whole(mostDescriptors())} are allowed.`,
        'Sizes take turns within one process. The container alone holds plain entries: it has no sockets to run out of.',
      ],
    };
  },
};

/** The sizes that fit below the limit of descriptors, on this side and on the backend's. */
function openableSizes(): number[] {
  let left = mostDescriptors() - SPARE_DESCRIPTORS;
  return SIZES.map((size) => {
    const openable = Math.min(size, left);
    left -= openable;
    return openable;
  }).filter((size) => size > 0);
}

async function measure(context: BenchContext, { title, kind, program, sizes, what }: Growth, target: TestTarget): Promise<Table> {
  context.progress(title);
  // About half a second for each round of a size, and the opening.
  const limitMs = 20_000 + context.rounds * sizes.length * 2_000;
  const task: GrowTask = { target, sizes, kind, rounds: context.rounds, budgetMs: growth.budgetMs / PROGRAMS };
  const answer = await askProgram<GrowAnswer>(program, task, { limitMs });
  const name = (size: number): string => `${whole(size)} ${what}`;
  const rows = sizes.map((size, index): Row => ({ name: name(size), role: index === 0 ? 'floor' : 'ours', rounds: answer[size] ?? [] }));
  const baseline = name(sizes[0] ?? 0);
  const targets = rows.slice(1).map((row) => ({ row: row.name, against: baseline, atMost: MOST_GROWTH }));
  return { title, unit: 'ns', better: 'lower', baseline, rows, targets };
}
