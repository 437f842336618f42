import { readdirSync, readFileSync } from 'node:fs';

/** Linux's account of a process; other systems have none. */
export const hasProc = process.platform === 'linux';

/** On systems that do not say: what macOS allows a shell. */
const ASSUMED_DESCRIPTORS = 256;

/** The limit of this process's open descriptors. */
export function mostDescriptors(): number {
  if (!hasProc) return ASSUMED_DESCRIPTORS;
  const soft = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  return soft === undefined || soft === 'unlimited' ? Infinity : Number(soft);
}

/** Counts over all threads of a process. */
export interface Activity {
  /** Voluntary sleeps of threads: a thread was woken before each of them. */
  readonly sleeps: number;
  readonly cpuUs: number;
}

export function activityOf(pid: number): Activity {
  let sleeps = 0;
  let cpuUs = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const folder = `/proc/${pid}/task/${thread}`;
    sleeps += Number(
      /^voluntary_ctxt_switches:\s+(\d+)/m.exec(readFileSync(`${folder}/status`, 'utf8'))?.[1] ?? 0,
    );
    // The first figure of schedstat: nanoseconds on a processor.
    cpuUs += Number(readFileSync(`${folder}/schedstat`, 'utf8').split(' ')[0]) / 1_000;
  }
  return { sleeps, cpuUs };
}
