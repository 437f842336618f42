import os from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

/** How long the machine is watched. */
const WATCH_MS = 3_000;
/** Of all processors' time; a machine that only runs this program uses some tenths of a per cent. */
const MOST_BUSY_SHARE = 0.05;

/** Processor time since the start of the machine, all processors together. */
export interface ProcessorTimes {
  readonly busyMs: number;
  readonly allMs: number;
}

export function processorTimes(): ProcessorTimes {
  const times = os.cpus().map(({ times: { user, nice, sys, irq, idle } }) => ({
    busyMs: user + nice + sys + irq,
    allMs: user + nice + sys + irq + idle,
  }));
  return {
    busyMs: times.reduce((sum, { busyMs }) => sum + busyMs, 0),
    allMs: times.reduce((sum, { allMs }) => sum + allMs, 0),
  };
}

/** Why figures taken on such a machine should not be published, if so. */
export function noiseBetween(before: ProcessorTimes, after: ProcessorTimes): string | undefined {
  const share = (after.busyMs - before.busyMs) / (after.allMs - before.allMs);
  if (share <= MOST_BUSY_SHARE) return undefined;
  return `other programs take ${Math.round(share * 100)} % of the processors, at most ${MOST_BUSY_SHARE * 100} % are allowed`;
}

/** Watches the machine while this program does nothing. */
export async function findNoise(): Promise<string | undefined> {
  const before = processorTimes();
  await delay(WATCH_MS);
  return noiseBetween(before, processorTimes());
}
