import type { CleanUp } from './closed-loop.js';
import { Latencies } from './statistics.js';

/** The figures of a busy loop. */
export interface BusyTurns {
  readonly latencies: Latencies;
  /** The length of each turn of the loop. */
  readonly turnsUs: readonly number[];
}

/**
 * Times an operation while the event loop works for `workMs` in each turn. Each operation begins right before
 * such work, as one does whose caller shares the loop with others; its own microtasks have run by then.
 */
export async function duringBusyTurns(
  operation: () => Promise<CleanUp>,
  times: number,
  workMs: number,
): Promise<BusyTurns> {
  const latencies = new Latencies();
  const turnsUs: number[] = [];
  let lastMs = performance.now();
  let begin: (() => void) | undefined;
  let isOver = false;
  const work = (): void => {
    const beganMs = performance.now();
    turnsUs.push((beganMs - lastMs) * 1_000);
    lastMs = beganMs;
    while (performance.now() - beganMs < workMs);
    if (!isOver) turn();
  };
  // Two callbacks, and not one: Node runs microtasks between them.
  const turn = (): void => {
    setImmediate(() => {
      begin?.();
      begin = undefined;
    });
    setImmediate(work);
  };
  turn();
  for (let time = 0; time < times; time++) {
    const cleanUp = await new Promise<CleanUp>((resolve) => {
      begin = () => {
        const beginNs = process.hrtime.bigint();
        const timed = async (): Promise<CleanUp> => {
          const result = await operation();
          latencies.recordNs(process.hrtime.bigint() - beginNs);
          return result;
        };
        resolve(timed());
      };
    });
    await cleanUp();
  }
  isOver = true;
  // The first turn began before anything was asked for.
  return { latencies, turnsUs: turnsUs.slice(1) };
}
