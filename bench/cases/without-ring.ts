import type { BenchCase, BenchContext } from '../harness/case.js';
import { askProgram } from '../harness/child.js';
import type { Role, Table, Target } from '../harness/result.js';
import { alternate } from '../harness/rounds.js';
import { POOL } from '../peers/connectors.js';
import type { ConnectAnswer } from '../programs/connect.js';
import { timeOf } from '../peers/rust-client.js';
import { negotiationTask, startSystem, type BenchSystem } from '../peers/system.js';

const WITHOUT = 'BrokerPool, no io_uring';
const RUST = 'Rust client';

/** The targets of each figure for a number of callers. */
interface Question {
  readonly callers: number;
  readonly targets: Readonly<Partial<Record<keyof ConnectAnswer, readonly Target[]>>>;
}

const QUESTIONS: readonly Question[] = [
  {
    callers: 1,
    targets: {
      median: [{ row: WITHOUT, against: POOL, atMost: 1.2 }],
      // Neither the Rust client nor ours can keep the broker from looking between the two calls.
      mean: [{ row: WITHOUT, against: RUST, atMost: 1 }],
    },
  },
  { callers: 16, targets: { mean: [{ row: WITHOUT, against: POOL, atMost: 1.2 }] } },
];

interface Contender {
  readonly name: string;
  readonly role: Role;
  readonly turn: () => Promise<ConnectAnswer>;
}

/** What does a negotiation take in a container? */
export const withoutRing: BenchCase = {
  name: 'without-io-uring',
  question: 'What does a negotiation take where the kernel allows no io_uring, as in most containers?',
  budgetMs: 45_000,
  pictures: [],
  async run(context) {
    await using system = await startSystem(context.rustProgram, 'none');
    const tables: Table[] = [];
    for (const question of QUESTIONS) tables.push(...(await measure(context, system, question)));
    return {
      tables,
      notes: [
        'Each figure of ours is from a process of its own. The mean is the time of all connects, closing included, by their number.',
        'Without io_uring the connect and the Hello are two system calls, as in the Rust client. A broker that looks in between sleeps 5 ms: the mean counts it, the median does not.',
      ],
    };
  },
};

async function measure(
  context: BenchContext,
  system: BenchSystem,
  { callers, targets }: Question,
): Promise<Table[]> {
  const connects = `negotiated, ${callers} caller${callers === 1 ? '' : 's'}`;
  const contenders = contendersOf(system, callers);
  const budgetMs = withoutRing.budgetMs / QUESTIONS.length;
  const rounds = await alternate(context, connects, contenders, budgetMs, ({ turn }) => turn());
  const table = (figure: keyof ConnectAnswer, wanted: readonly Target[]): Table => ({
    title: `${connects}, ${figure}, ${system.brokerName}`,
    unit: 'µs',
    better: 'lower',
    baseline: POOL,
    answer: WITHOUT,
    rows: contenders.map(({ name, role }) => ({
      name,
      role,
      rounds: (rounds.get(name) ?? []).map((answer) => answer[figure]),
    })),
    targets: wanted,
  });
  const { median, mean } = targets;
  return [
    ...(median === undefined ? [] : [table('median', median)]),
    ...(mean === undefined ? [] : [table('mean', mean)]),
  ];
}

function contendersOf(system: BenchSystem, callers: number): Contender[] {
  const { rust } = system;
  const task = negotiationTask(system, callers);
  const ours = (env: NodeJS.ProcessEnv) => () => askProgram<ConnectAnswer>('connect', task, { env });
  const contenders: Contender[] = [
    { name: POOL, role: 'ours', turn: ours({}) },
    { name: WITHOUT, role: 'ours', turn: ours({ BROKER_POOL_IO_URING: '0' }) },
  ];
  if (rust !== undefined)
    contenders.push({ name: RUST, role: 'peer', turn: () => timeOf(rust, 'negotiated', callers) });
  return contenders;
}
