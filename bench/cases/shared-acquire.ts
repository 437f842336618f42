import { spawnTestSystem } from '../../src/testing/index.js';
import type { BenchCase } from '../harness/case.js';
import { askProgram } from '../harness/child.js';
import type { Role, Table } from '../harness/result.js';
import { alternate } from '../harness/rounds.js';
import type { AcrossTask, Situation } from '../programs/lend-across.js';

const SITUATIONS: readonly (Situation & { readonly title: string })[] = [
  { title: 'one caller', callers: 1, echoes: false },
  { title: '8 callers, 8 connections, beside 8 messages that travel together', callers: 8, echoes: false },
  { title: 'one caller, each lease with an echo', callers: 1, echoes: true },
];

interface Contender {
  readonly name: string;
  readonly way: AcrossTask['way'];
  readonly role: Role;
}

const MESSAGE = 'a message there and back';
const ACROSS = 'shared pool, in another thread';
const CONTENDERS: readonly Contender[] = [
  { name: MESSAGE, way: 'message', role: 'floor' },
  { name: ACROSS, way: 'across', role: 'ours' },
  { name: 'BrokerPool, in its own thread', way: 'beside', role: 'ours' },
];

/** What does a lease cost in another thread than the pool's? */
export const sharedAcquire: BenchCase = {
  name: 'shared-acquire',
  question: 'What does it cost another thread to acquire an idle connection of a shared pool and release it?',
  budgetMs: 35_000,
  pictures: ['bars'],
  async run(context) {
    await using system = await spawnTestSystem({ handoff: 'none' });
    const { target } = system;
    const rounds = await alternate(
      context,
      'a shared pool',
      CONTENDERS,
      sharedAcquire.budgetMs,
      async ({ way }) => {
        const task: AcrossTask = { way, situations: SITUATIONS, target };
        return await askProgram<number[]>('lend-across', task);
      },
    );
    return {
      tables: SITUATIONS.map(({ title }, index) =>
        tableOf(title, (name) => (rounds.get(name) ?? []).map((all) => all[index] ?? NaN)),
      ),
      notes: [
        'All callers are in one thread, which releases and acquires again at once. The messages of 8 callers travel together: one wake-up serves them all. With an echo, the row of the message asks for it on a connection that it holds all the time.',
      ],
    };
  },
};

function tableOf(title: string, figures: (name: string) => readonly number[]): Table {
  return {
    title: `acquire and release of a shared pool, ${title}`,
    unit: 'ns',
    better: 'lower',
    baseline: MESSAGE,
    answer: ACROSS,
    rows: CONTENDERS.map(({ name, role }) => ({ name, role, rounds: figures(name) })),
    targets: [{ row: ACROSS, against: MESSAGE, atMost: 1.3 }],
  };
}
