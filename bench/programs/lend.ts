/**
 * One turn of a bench of acquire and release, in a process of its own: what V8 has learnt from one pool must
 * not decide about another.
 */
import type { TestTarget } from '../../src/testing/index.js';
import { sendAnswer } from '../harness/child.js';
import { timeBatches } from '../harness/batches.js';
import type { Observer } from '../peers/observers.js';
import { openLender, openOurs, OURS, type LenderName } from '../peers/lenders.js';

/** The task of one turn. */
export interface LendTask {
  readonly lender: LenderName;
  /** `tryAcquire` instead of `acquire`, which only ours has. */
  readonly synchronous?: boolean;
  readonly callers: number;
  readonly max: number;
  readonly target: TestTarget;
  /** The observer of our pool: it scrapes, or collects, once at the end of each batch. @default none */
  readonly observer?: Observer;
  /** The URL of the build whose pool is meant. @default this one */
  readonly build?: string;
}

async function lendSynchronously({ max, target, build }: LendTask): Promise<number> {
  const lender = await openOurs(max, target, build);
  const { pool } = lender;
  const nanoseconds = await timeBatches(1, async (times) => {
    for (let time = 0; time < times; time++) pool.tryAcquire()?.release();
  });
  await lender.close();
  return nanoseconds;
}

/** A module of its own is loaded only here: the other turns must not pay for its memory. */
async function lendObserved(observer: Observer, { max, target }: LendTask): Promise<number> {
  const { observe } = await import('../peers/observers.js');
  const lender = await openOurs(max, target);
  const collect = observe(lender.pool, observer);
  const nanoseconds = await timeBatches(1, async (times) => {
    for (let time = 0; time < times; time++) lender.release(await lender.acquire());
    await collect();
  });
  await lender.close();
  return nanoseconds;
}

async function measure(task: LendTask): Promise<number> {
  if (task.synchronous === true) return await lendSynchronously(task);
  if (task.observer !== undefined) return await lendObserved(task.observer, task);
  const { build, max, target } = task;
  const lender =
    task.lender === OURS ? await openOurs(max, target, build) : await openLender(task.lender, max, target);
  const nanoseconds = await timeBatches(task.callers, async (times) => {
    for (let time = 0; time < times; time++) lender.release(await lender.acquire());
  });
  await lender.close();
  return nanoseconds;
}

const task: LendTask = JSON.parse(process.argv[2] ?? '');
await sendAnswer(await measure(task));
