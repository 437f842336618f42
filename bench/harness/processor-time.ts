import { setImmediate as turn } from 'node:timers/promises';
import type { Work } from './batches.js';

const WARM_UP_NS = 300e6;
const BATCH_NS = 20e6;
const BATCHES = 16;

/** The repetition of an operation. */
export interface Repetition {
  /** They work side by side. @default 1 */
  readonly callers?: number;
  /** In a batch, for each caller. @default as many as take 20 ms */
  readonly mostTimes?: number;
  /** Before the first batch that counts, for each caller, so that V8 has compiled the operation. @default 0 */
  readonly warmUpTimes?: number;
  /** Runs after each batch and does not count. */
  readonly between?: () => Promise<void>;
}

/**
 * Nanoseconds of processor time for one operation, all threads of this process together: other programs hardly
 * move it, and waiting does not count. The lower quartile of batches; what an operation leaves to a later turn of the
 * event loop is paid in its batch.
 */
export async function processorTime(
  work: Work,
  { callers = 1, mostTimes = Infinity, warmUpTimes = 0, between }: Repetition = {},
): Promise<number> {
  let times = 1;
  let spentNs = 0;
  let done = 0;
  const batch = async (): Promise<number> => {
    const beganNs = processorNs();
    await Promise.all(Array.from({ length: callers }, () => work(times)));
    await turn();
    const nanoseconds = processorNs() - beganNs;
    await between?.();
    return nanoseconds;
  };
  while (spentNs < WARM_UP_NS || done < warmUpTimes) {
    const nanoseconds = await batch();
    spentNs += nanoseconds;
    done += times;
    times = Math.min(mostTimes, nextTimes(times, nanoseconds));
  }
  const figures: number[] = [];
  for (let count = 0; count < BATCHES; count++) figures.push((await batch()) / (callers * times));
  return figures.toSorted((one, other) => one - other)[BATCHES / 4] ?? Number.NaN;
}

/** The clock counts in steps: a short batch says little about how many times fill a long one. */
function nextTimes(times: number, nanoseconds: number): number {
  return nanoseconds < BATCH_NS / 2 ? times * 2 : Math.max(1, Math.round((times * BATCH_NS) / nanoseconds));
}

function processorNs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1_000;
}
