/** The cost of lending from pools of different sizes, side by side in one process: sizes take turns, so that all meet the same machine. */
import type { TestTarget } from '../../src/testing/index.js';
import { sendAnswer } from '../harness/child.js';
import { timeBatches } from '../harness/batches.js';
import { rotated } from '../harness/rounds.js';
import { openOurs } from '../peers/lenders.js';

/** What the program is told. */
export interface GrowTask {
  readonly target: TestTarget;
  /** Idle connections, or callers, by which the pools differ. */
  readonly sizes: readonly number[];
  /** `idle`: one caller, a pool of each size, all of it idle. `waiting`: 10 connections, and as many callers more as the size says. */
  readonly kind: 'idle' | 'waiting';
  readonly rounds: number;
}

const CONNECTIONS = 10;

/** Nanoseconds for each size, round by round. */
export type GrowAnswer = Readonly<Record<number, number[]>>;

type Pool = Awaited<ReturnType<typeof openOurs>>['pool'];

async function lend(pool: Pool, times: number): Promise<void> {
  for (let time = 0; time < times; time++) (await pool.acquire()).release();
}

async function measure({ target, sizes, kind, rounds }: GrowTask): Promise<GrowAnswer> {
  const callers = (size: number): number => (kind === 'idle' ? 1 : CONNECTIONS + size);
  const pools: { readonly size: number; readonly lender: Awaited<ReturnType<typeof openOurs>> }[] = [];
  for (const size of sizes) pools.push({ size, lender: await openOurs(kind === 'idle' ? size : CONNECTIONS, target) });
  const answer: Record<number, number[]> = Object.fromEntries(sizes.map((size) => [size, []]));
  for (let round = 0; round < rounds; round++) {
    for (const { size, lender } of rotated(pools, round)) {
      const nanoseconds = await timeBatches(async (operations) => {
        const each = Math.ceil(operations / callers(size));
        await Promise.all(Array.from({ length: callers(size) }, () => lend(lender.pool, each)));
      });
      answer[size]?.push(nanoseconds);
    }
  }
  await Promise.all(pools.map(({ lender }) => lender.close()));
  return answer;
}

const task: GrowTask = JSON.parse(process.argv[2] ?? '');
await sendAnswer(await measure(task));
