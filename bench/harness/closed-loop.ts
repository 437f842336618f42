import { Latencies } from './statistics.js';

/** What one turn of one contender showed. */
export interface Turn {
  readonly latencies: Latencies;
  readonly perSecond: number;
}

/** What follows an operation before its caller begins the next. */
export type CleanUp = () => void | Promise<void>;

/** How long a turn lasts: at least so many operations, then until the time is up. */
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
  const latencies = new Latencies();
  const startedMs = performance.now();
  let begun = 0;
  const isOver = (): boolean => begun >= operations && performance.now() - startedMs > milliseconds;
  const caller = async (): Promise<void> => {
    while (!isOver()) {
      begun += 1;
      const beginNs = process.hrtime.bigint();
      const cleanUp = await operation();
      latencies.recordNs(process.hrtime.bigint() - beginNs);
      await cleanUp();
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { latencies, perSecond: latencies.count / ((performance.now() - startedMs) / 1_000) };
}
