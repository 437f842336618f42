import { Latencies } from './statistics.js';

/** At a third of the cost of the method: it is asked twice for each operation. */
const now = performance.now.bind(performance);

/** The figures of one turn of one contender. */
export interface Turn {
  readonly latencies: Latencies;
  readonly perSecond: number;
}

/** The pause of a caller between two operations. */
export type CleanUp = () => void | Promise<void>;

/** The length of a turn: a least number of operations, then until the time is up. */
export interface TurnLength {
  readonly operations: number;
  readonly milliseconds: number;
}

/**
 * Callers that each wait for one operation before they begin the next. `operation` resolves when the answer
 * is there, with a function that cleans up behind it; the clean-up is not part of the latency, but of the
 * throughput.
 */
export async function closedLoop(
  operation: () => Promise<CleanUp>,
  callers: number,
  { operations, milliseconds }: TurnLength,
): Promise<Turn> {
  // Recorded when the turn is over: the histogram and its numbers cost as much as a fast operation.
  const latenciesMs: number[] = [];
  const startedMs = now();
  let begun = 0;
  const caller = async (): Promise<void> => {
    for (let beganMs = now(); begun < operations || beganMs - startedMs <= milliseconds; beganMs = now()) {
      begun += 1;
      const cleanUp = await operation();
      latenciesMs.push(now() - beganMs);
      const cleaningUp = cleanUp();
      if (cleaningUp !== undefined) await cleaningUp;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const perSecond = (latenciesMs.length / (now() - startedMs)) * 1_000;
  const latencies = new Latencies();
  for (const latencyMs of latenciesMs) latencies.recordNs(Math.round(latencyMs * 1_000_000));
  return { latencies, perSecond };
}
