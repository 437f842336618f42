import { readFileSync } from 'node:fs';
import { systemCode } from './errno.js';

/** Whether a process has this id. It may be a later process: systems use ids again. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Another user's process is alive as well.
    return systemCode(error) === 'EPERM';
  }
  return !isZombie(pid);
}

/**
 * Whether the process has ended, and its parent has not asked for its exit code. In a container without an init
 * process, one whose parent has ended stays so. Known on Linux alone.
 */
function isZombie(pid: number): boolean {
  if (process.platform !== 'linux') return false;
  try {
    // The name in parentheses may contain any byte.
    return /^\d+ \(.*\) [ZX] /s.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}
