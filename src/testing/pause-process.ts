import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { monotonicNowMs } from '../clock.js';
import { isAlive } from '../os/process-alive.js';

/** How long the kernel may take to stop each thread. */
const STOP_LIMIT_MS = 2_000;
const LOOK_PAUSE_MS = 1;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

/**
 * Pauses a process (SIGSTOP). A signal stops each thread when the kernel next runs it, so that a busy machine lets a
 * thread answer a last request after `kill` has returned. On Linux this returns when each thread is stopped; elsewhere
 * there is no cheap look at a thread's state, and it returns when the signal is sent. Not on Windows.
 */
export function pauseProcess(child: Pick<ChildProcess, 'pid' | 'kill'>): void {
  const { pid } = child;
  if (pid === undefined || !child.kill('SIGSTOP') || process.platform !== 'linux') return;
  const limit = monotonicNowMs() + STOP_LIMIT_MS;
  while (!isStopped(pid) && monotonicNowMs() < limit) Atomics.wait(sleeper, 0, 0, LOOK_PAUSE_MS);
}

/** Whether no thread of a process runs: `T` is stopped, `Z` and `X` have ended (proc_pid_stat(5)). */
function isStopped(pid: number): boolean {
  try {
    const tasks = `/proc/${pid}/task`;
    return readdirSync(tasks).every((thread) => {
      const stat = readFileSync(`${tasks}/${thread}/stat`, 'utf8');
      // The name of the thread, in parentheses, may hold any character; the state follows it.
      return 'TZX'.includes(stat.charAt(stat.lastIndexOf(')') + 2));
    });
  } catch {
    // The process, or a thread of it, has ended meanwhile: a process that is gone answers nothing.
    return !isAlive(pid);
  }
}
