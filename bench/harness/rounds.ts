import type { BenchContext } from './case.js';

/** Fewer rounds make no median that one noisy round could not move. */
export const FEWEST_ROUNDS = 3;

/** How many rounds there are, and where to say which one it is. */
export type RoundsContext = Pick<BenchContext, 'rounds' | 'progress'>;

/** Something that takes turns with others. */
export interface Contender {
  readonly name: string;
}

/**
 * Gives each contender its turn in each round, and returns what the turns returned, by name. Each round
 * begins with another contender, so that no contender always runs behind the same one. `budgetMs` is kept to, but
 * for the first three rounds.
 */
export async function alternate<C extends Contender, R>(
  context: RoundsContext,
  what: string,
  contenders: readonly C[],
  budgetMs: number,
  turn: (contender: C) => Promise<R>,
): Promise<Map<string, R[]>> {
  const results = new Map<string, R[]>(contenders.map(({ name }) => [name, []]));
  const startedMs = performance.now();
  for (let round = 0; round < context.rounds; round++) {
    if (round >= FEWEST_ROUNDS && performance.now() - startedMs > budgetMs) break;
    for (const contender of rotated(contenders, round)) {
      context.progress(`${what}: round ${round + 1} of ${context.rounds}, ${contender.name}`);
      results.get(contender.name)?.push(await turn(contender));
    }
  }
  return results;
}

export function rotated<T>(items: readonly T[], by: number): T[] {
  const at = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}
