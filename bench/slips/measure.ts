import { askProgram } from '../harness/child.js';
import { alternate } from '../harness/rounds.js';
import { startProgram } from '../harness/program.js';
import type { HoldAnswer } from '../programs/hold.js';
import { WEIGHING_OPTIONS } from '../cases/idle-connections.js';
import type { SlipRow, SlipSystem, SlipTask } from './rows.js';

/** Nanoseconds of processor time for an operation, or bytes of a connection, a figure a round. */
export interface Measured {
  readonly ours: readonly number[];
  readonly peer: readonly number[];
}

/** The fastest round counts, and three find it as a rule; a row that slipped is measured again. */
const FEWEST_ROUNDS = 3;

/**
 * Each row by its name. Rows take turns, and so do the two of a row, each in a process of its own. Rounds after the third
 * are left out when the budget is used up.
 */
export async function measureRows(
  rows: readonly SlipRow[],
  system: SlipSystem,
  rounds: number,
  budgetMs: number,
): Promise<Map<string, Measured>> {
  const contenders = rows.flatMap(({ name, ours, peer }) => [
    { name: `${name}, ours`, task: ours(system) },
    { name: `${name}, peer`, task: peer(system) },
  ]);
  const context = { rounds, fewest: FEWEST_ROUNDS, progress: () => {} };
  const figures = await alternate(context, 'slips', contenders, budgetMs, ({ task }) => measureOne(task));
  const figuresOf = (name: string): number[] => figures.get(name) ?? [];
  return new Map(
    rows.map(({ name }) => [name, { ours: figuresOf(`${name}, ours`), peer: figuresOf(`${name}, peer`) }]),
  );
}

async function measureOne({ program, task }: SlipTask): Promise<number> {
  switch (program) {
    case 'processor-time':
      return await askProgram<number>(program, task);
    case 'lend-across': {
      const [nanoseconds = Number.NaN] = await askProgram<number[]>(program, task);
      return nanoseconds;
    }
    case 'hold': {
      await using holder = await startProgram<HoldAnswer>(program, task, WEIGHING_OPTIONS);
      return holder.ready.all ?? holder.ready.heap;
    }
  }
}
