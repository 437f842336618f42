import { spawnTestSystem, type TestTarget } from '../../src/testing/index.js';
import type { BenchCase, BenchContext } from '../harness/case.js';
import { askProgram } from '../harness/child.js';
import { whole } from '../harness/print.js';
import { mostDescriptors } from '../harness/proc.js';
import type { Role, Row, Table, Target } from '../harness/result.js';
import type { Grown, GrowTask } from '../programs/grow.js';

const SIZES: readonly number[] = [10, 100, 1_000, 10_000];
const BAG_SIZES: readonly number[] = [10, 1_000, 100_000];
const SPARE_DESCRIPTORS = 200;
const MOST_GROWTH = 1.5;
/** Each has as much of the budget. */
const PROGRAMS = 5;
/** Holds 10,000 waiting callers several times over: what still grows with it is not the collector's doing. */
const LARGE_YOUNG_GENERATION = '--max-semi-space-size=128';

interface Growth {
  readonly title: string;
  readonly kind: GrowTask['kind'];
  readonly program: 'grow' | 'grow-containers';
  readonly sizes: readonly number[];
  readonly what: string;
  /** It explains another table, and is not drawn. */
  readonly inPictures?: false;
  /** Where they are others than usual it is to explain another table, and nothing is wanted of it. */
  readonly nodeOptions?: readonly string[];
}

/** Does an acquire cost more where there is more? */
export const growth: BenchCase = {
  name: 'growth',
  question: 'Does acquire and release cost more with 10,000 waiters or 10,000 idle connections than with 10?',
  budgetMs: 60_000,
  pictures: ['bars'],
  async run(context) {
    await using system = await spawnTestSystem({ handoff: 'none' });
    const { target } = system;
    const growths: readonly Growth[] = [
      {
        title: 'callers that wait for one of 10 connections',
        kind: 'waiting',
        program: 'grow',
        sizes: SIZES,
        what: 'waiting',
      },
      {
        title: `callers that wait for one of 10 connections, ${LARGE_YOUNG_GENERATION}`,
        kind: 'waiting',
        program: 'grow',
        sizes: [10, 10_000],
        what: 'waiting',
        nodeOptions: [LARGE_YOUNG_GENERATION],
        inPictures: false,
      },
      {
        title: 'idle connections, one caller',
        kind: 'idle',
        program: 'grow',
        sizes: openableSizes(),
        what: 'idle',
      },
      {
        title: 'the container alone, waiters',
        kind: 'waiting',
        program: 'grow-containers',
        sizes: BAG_SIZES,
        what: 'waiting',
        inPictures: false,
      },
      {
        title: 'the container alone, idle entries',
        kind: 'idle',
        program: 'grow-containers',
        sizes: BAG_SIZES,
        what: 'idle',
        inPictures: false,
      },
    ];
    const tables: Table[] = [];
    for (const one of growths) tables.push(...(await measure(context, one, target)));
    const most = openableSizes().reduce((sum, size) => sum + size, 0);
    return {
      tables,
      notes: [
        `The pools of connections are open side by side: ${whole(most)} connected sockets; ${whole(mostDescriptors())} are allowed.`,
        'The floor of 10,000 waiting is the bare queue, a promise for each: the collector copies suspended callers again and again.',
        `${LARGE_YOUNG_GENERATION} gives them room enough to come and go without that: a service with thousands of waiting callers may want it.`,
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

async function measure(context: BenchContext, growing: Growth, target: TestTarget): Promise<Table[]> {
  const { title, kind, program, sizes, what, inPictures, nodeOptions } = growing;
  context.progress(title);
  // About half a second for each round of a size, and the opening.
  const limitMs = 20_000 + context.rounds * sizes.length * 3_000;
  const task: GrowTask = {
    target,
    sizes,
    kind,
    rounds: context.rounds,
    budgetMs: growth.budgetMs / PROGRAMS,
  };
  const grown = await askProgram<Grown[]>(program, task, { limitMs, ...(nodeOptions && { nodeOptions }) });
  const name = (size: number): string => `${whole(size)} ${what}`;
  const smallest = name(sizes[0] ?? 0);
  const ours = grown.filter(({ who }) => who === 'ours');
  const bare = grown.filter(({ who }) => who === 'floor');
  const role = (size: number): Role => (size === sizes[0] ? 'floor' : 'ours');
  const larger = nodeOptions === undefined ? sizes.slice(1) : [];
  const targets = larger.map((size): Target => ({ row: name(size), against: smallest, atMost: MOST_GROWTH }));
  const answer = name(sizes.at(-1) ?? 0);
  const common = { better: 'lower', baseline: smallest, answer, targets } as const;
  const rows = [
    ...ours.map(({ size, rounds }): Row => ({ name: name(size), role: role(size), rounds })),
    ...bare.map(({ size, rounds }): Row => ({
      name: `bare queue of promises, ${name(size)}`,
      role: 'floor',
      rounds,
    })),
  ];
  const table: Table = { ...common, title, unit: 'ns', rows, ...(inPictures === false && { pictures: [] }) };
  if (bare.length === 0) return [table];
  const bareOf = (size: number): Grown | undefined => bare.find((one) => one.size === size);
  const multiples = ours.map(({ size, rounds }): Row => ({
    name: name(size),
    role: role(size),
    rounds: divided(rounds, bareOf(size)),
  }));
  return [
    table,
    {
      ...common,
      title: `${title}, beside a bare queue`,
      unit: 'times its cost',
      rows: multiples,
      pictures: [],
    },
  ];
}

function divided(rounds: readonly number[], by: Grown | undefined): number[] {
  return rounds.map((nanoseconds, round) => nanoseconds / (by?.rounds[round] ?? Number.NaN));
}
