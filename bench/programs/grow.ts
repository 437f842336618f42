/** The cost of lending from pools of different sizes, side by side in one process: sizes take turns, so that all meet the same machine. */
import type { TestTarget } from '../../src/testing/index.js';
import { sendAnswer } from '../harness/child.js';
import { timeBatches } from '../harness/batches.js';
import { FEWEST_ROUNDS, rotated } from '../harness/rounds.js';
import { openOurs } from '../peers/lenders.js';

/** What the program is told. */
export interface GrowTask {
  readonly target: TestTarget;
  /** Idle connections, or callers, by which the pools differ. */
  readonly sizes: readonly number[];
  /** `idle`: one caller, a pool of each size, all of it idle. `waiting`: 10 connections, and as many callers more as the size says. */
  readonly kind: 'idle' | 'waiting';
  readonly rounds: number;
  /** After this no further round begins, but for the first three. */
  readonly budgetMs: number;
}

const CONNECTIONS = 10;

/** Nanoseconds for each size, round by round. */
export type GrowAnswer = Readonly<Record<number, number[]>>;

async function measure({ target, sizes, kind, rounds, budgetMs }: GrowTask): Promise<GrowAnswer> {
  const callers = (size: number): number => (kind === 'idle' ? 1 : CONNECTIONS + size);
  const pools: { readonly size: number; readonly lender: Awaited<ReturnType<typeof openOurs>> }[] = [];
  for (const size of sizes) pools.push({ size, lender: await openOurs(kind === 'idle' ? size : CONNECTIONS, target) });
  const answer: Record<number, number[]> = Object.fromEntries(sizes.map((size) => [size, []]));
  const startedMs = performance.now();
  for (let round = 0; round < rounds; round++) {
    if (round >= FEWEST_ROUNDS && performance.now() - startedMs > budgetMs) break;
    for (const { size, lender } of rotated(pools, round)) {
      const nanoseconds = await timeBatches(callers(size), async (times) => {
        for (let time = 0; time < times; time++) (await lender.acquire()).release();
      });
      answer[size]?.push(nanoseconds);
    }
  }
  await Promise.all(pools.map(({ lender }) => lender.close()));
  return answer;
}

const task: GrowTask = JSON.parse(process.argv[2] ?? '');
await sendAnswer(await measure(task));
