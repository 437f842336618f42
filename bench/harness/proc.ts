import { readdirSync, readFileSync } from 'node:fs';

/** What Linux says about a process; elsewhere there is nothing to read. */
export const hasProc = process.platform === 'linux';

/** On systems that do not say: what macOS allows a shell. */
const ASSUMED_DESCRIPTORS = 256;

/** How many descriptors this process may have open. */
export function mostDescriptors(): number {
  if (!hasProc) return ASSUMED_DESCRIPTORS;
  const soft = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  return soft === undefined || soft === 'unlimited' ? Infinity : Number(soft);
}

/** What all threads of a process have done so far. */
export interface Activity {
  /** How often a thread went to sleep by itself: each time it had been woken before. */
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
