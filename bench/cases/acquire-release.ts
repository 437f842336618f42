import { spawnTestSystem, type TestTarget } from '../../src/testing/index.js';
import type { BenchCase, BenchContext } from '../harness/case.js';
import { askProgram } from '../harness/child.js';
import type { Role, Row, Table } from '../harness/result.js';
import { alternate } from '../harness/rounds.js';
import { median } from '../harness/statistics.js';
import { FLOOR, LENDER_NAMES, OURS, type LenderName } from '../peers/lenders.js';
import type { LendTask } from '../programs/lend.js';

const SYNCHRONOUS = `${OURS}, tryAcquire`;

interface Situation {
  readonly title: string;
  readonly callers: number;
  readonly max: number;
  /** Most of our time as a part of the fastest peer's. */
  readonly atMost: number;
}

const SITUATIONS: readonly Situation[] = [
  { title: 'one caller, one of 10 idle', callers: 1, max: 10, atMost: 0.18 },
  { title: '100 callers, 10 resources', callers: 100, max: 10, atMost: 0.3 },
];

interface Contender {
  readonly name: string;
  readonly lender: LenderName;
  readonly synchronous?: boolean;
}

/** How much does it cost to borrow and give back? */
export const acquireRelease: BenchCase = {
  name: 'acquire-release',
  question:
    'What does it cost to acquire an idle connection and release it, alone and when 100 callers contend for 10?',
  budgetMs: 60_000,
  pictures: ['bars'],
  async run(context) {
    await using system = await spawnTestSystem({ handoff: 'none' });
    const tables: Table[] = [];
    for (const situation of SITUATIONS) tables.push(await measure(context, situation, system.target));
    return {
      tables,
      notes: [
        'BrokerPool lends connected sockets and checks each when it goes out and comes back; the peers lend empty objects, validation off, same max.',
        'Each figure is from a process of its own: batches of about 50 ms after a warm-up; work left to a later turn of the loop is paid for.',
      ],
    };
  },
};

async function measure(
  context: BenchContext,
  { title, callers, max, atMost }: Situation,
  target: TestTarget,
): Promise<Table> {
  const contenders: Contender[] = LENDER_NAMES.map((lender) => ({ name: lender, lender }));
  if (callers === 1) contenders.push({ name: SYNCHRONOUS, lender: OURS, synchronous: true });
  const rounds = await alternate(
    context,
    title,
    contenders,
    acquireRelease.budgetMs / SITUATIONS.length,
    async ({ lender, synchronous = false }) => {
      const task: LendTask = { lender, synchronous, callers, max, target };
      return await askProgram<number>('lend', task);
    },
  );
  const rows = contenders.map(({ name, lender }): Row => ({
    name,
    role: roleOf(lender),
    rounds: rounds.get(name) ?? [],
  }));
  const peers = rows
    .filter(({ role }) => role === 'peer')
    .toSorted((a, b) => median(a.rounds) - median(b.rounds));
  const fastest = peers[0]?.name ?? FLOOR;
  return {
    title,
    unit: 'ns',
    better: 'lower',
    baseline: fastest,
    rows,
    targets: [{ row: OURS, against: fastest, atMost }],
  };
}

function roleOf(lender: LenderName): Role {
  if (lender === OURS) return 'ours';
  return lender === FLOOR ? 'floor' : 'peer';
}
