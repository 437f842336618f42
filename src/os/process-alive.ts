import { systemCode } from './errno.js';

/** Whether a process has this id. It may be a later process: systems use ids again. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Another user's process is alive as well.
    return systemCode(error) === 'EPERM';
  }
}
