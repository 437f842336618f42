/**
 * The cost of lending from pools of different sizes, side by side in one process: sizes take turns, so that
 * all meet the same machine.
 */
import type { TestTarget } from '../../src/testing/index.js';
import { sendAnswer } from '../harness/child.js';
import { timeBatches } from '../harness/batches.js';
import { FEWEST_ROUNDS, rotated } from '../harness/rounds.js';
import { openOurs } from '../peers/lenders.js';
import type { ResourcePool } from '../peers/pools.js';
import { PromiseQueue } from '../peers/promise-queue.js';

/** The program's task. */
export interface GrowTask {
  readonly target: TestTarget;
  /** Idle connections, or callers, by which the pools differ. */
  readonly sizes: readonly number[];
  /**
   * `idle`: one caller, a pool of each size, all of it idle. `waiting`: 10 connections, and as many callers
   * more as the size says; beside each a bare queue of promises with as many callers.
   */
  readonly kind: 'idle' | 'waiting';
  readonly rounds: number;
  /** After this no further round begins, except the first seven. */
  readonly budgetMs: number;
}

/** Cost of one pool of one size, in nanoseconds, round by round. */
export interface Grown {
  readonly who: 'ours' | 'floor';
  readonly size: number;
  readonly rounds: number[];
}

const CONNECTIONS = 10;

interface Growing extends Grown {
  readonly callers: number;
  readonly lender: ResourcePool<unknown>;
}

async function open({ target, sizes, kind }: GrowTask): Promise<Growing[]> {
  const growing: Growing[] = [];
  for (const size of sizes) {
    const callers = kind === 'idle' ? 1 : CONNECTIONS + size;
    growing.push({
      who: 'ours',
      size,
      callers,
      rounds: [],
      lender: await openOurs(kind === 'idle' ? size : CONNECTIONS, target),
    });
    if (kind === 'idle') continue;
    const lender = new PromiseQueue(Array.from({ length: CONNECTIONS }, (_, id) => ({ id })));
    growing.push({ who: 'floor', size, callers, rounds: [], lender });
  }
  return growing;
}

async function measure(task: GrowTask): Promise<Grown[]> {
  const growing = await open(task);
  const startedMs = performance.now();
  for (let round = 0; round < task.rounds; round++) {
    if (round >= FEWEST_ROUNDS && performance.now() - startedMs > task.budgetMs) break;
    for (const { callers, lender, rounds } of rotated(growing, round)) {
      const work = async (times: number): Promise<void> => {
        for (let time = 0; time < times; time++) lender.release(await lender.acquire());
      };
      const nanoseconds = await timeBatches(callers, work, round > 0);
      rounds.push(nanoseconds);
    }
  }
  await Promise.all(growing.map(({ lender }) => lender.close()));
  return growing.map(({ who, size, rounds }) => ({ who, size, rounds }));
}

const task: GrowTask = JSON.parse(process.argv[2] ?? '');
await sendAnswer(await measure(task));
