import type { BenchContext } from './case.js';

/** The median of fewer rounds is one that two noisy rounds can move. */
export const FEWEST_ROUNDS = 7;

/** The number of rounds, and the output for their progress. */
export interface RoundsContext extends Pick<BenchContext, 'rounds' | 'progress'> {
  /** Rounds that are made beyond the budget as well. @default 7 */
  readonly fewest?: number;
}

/** Something that takes turns with others. */
export interface Contender {
  readonly name: string;
}

/**
 * Gives each contender its turn in each round, and returns what the turns returned, by name. Each round
 * begins with another contender, so that no contender always runs behind the same one. No round begins after
 * `budgetMs`, except the first seven, or as many fewer as were asked for.
 */
export async function alternate<C extends Contender, R>(
  context: RoundsContext,
  what: string,
  contenders: readonly C[],
  budgetMs: number,
  turn: (contender: C) => Promise<R>,
): Promise<Map<string, R[]>> {
  const results = new Map<string, R[]>(contenders.map(({ name }) => [name, []]));
  const { rounds, fewest = FEWEST_ROUNDS } = context;
  const startedMs = performance.now();
  for (let round = 0; round < rounds; round++) {
    if (round >= fewest && performance.now() - startedMs > budgetMs) break;
    for (const contender of rotated(contenders, round)) {
      context.progress(`${what}: round ${round + 1} of ${rounds}, ${contender.name}`);
      results.get(contender.name)?.push(await turn(contender));
    }
  }
  return results;
}

export function rotated<T>(items: readonly T[], by: number): T[] {
  const at = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}
