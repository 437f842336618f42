/** One turn of a bench of acquire and release, in a process of its own: what V8 has learnt from one pool must not decide about another. */
import type { TestTarget } from '../../src/testing/index.js';
import { sendAnswer } from '../harness/child.js';
import { timeBatches } from '../harness/batches.js';
import { openLender, openOurs, type LenderName } from '../peers/lenders.js';
import type { ResourcePool } from '../peers/pools.js';

/** What a turn is told. */
export interface LendTask {
  readonly lender: LenderName;
  /** `tryAcquire` instead of `acquire`, which only ours has. */
  readonly synchronous?: boolean;
  readonly callers: number;
  readonly max: number;
  readonly target: TestTarget;
}

async function borrowAndGiveBack(lender: ResourcePool<unknown>, times: number): Promise<void> {
  for (let time = 0; time < times; time++) lender.release(await lender.acquire());
}

async function lendSynchronously({ max, target }: LendTask): Promise<number> {
  const lender = await openOurs(max, target);
  const { pool } = lender;
  const nanoseconds = await timeBatches(async (operations) => {
    for (let time = 0; time < operations; time++) pool.tryAcquire()?.release();
  });
  await lender.close();
  return nanoseconds;
}

async function measure(task: LendTask): Promise<number> {
  if (task.synchronous === true) return await lendSynchronously(task);
  const lender = await openLender(task.lender, task.max, task.target);
  const { callers } = task;
  const nanoseconds = await timeBatches(async (operations) => {
    const each = Math.ceil(operations / callers);
    await Promise.all(Array.from({ length: callers }, () => borrowAndGiveBack(lender, each)));
  });
  await lender.close();
  return nanoseconds;
}

const task: LendTask = JSON.parse(process.argv[2] ?? '');
await sendAnswer(await measure(task));
