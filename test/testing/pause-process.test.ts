import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { pauseProcess } from '../../src/testing/pause-process.js';
import test from '../helpers/sanitary.js';
import { testWhere } from '../helpers/test-where.js';

const SPINNING = `
  const { Worker } = require('node:worker_threads');
  for (let count = 0; count < 3; count += 1) new Worker('for (;;);', { eval: true });
  console.log('spins');
  for (;;);
`;

/** The state of each thread: R runs, S sleeps, T is stopped. */
function statesOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
    return /^State:\t(\w)/m.exec(status)?.[1] ?? '';
  });
}

testWhere(
  process.platform === 'linux',
  '/proc',
  test,
)('each thread of a busy process is stopped when pauseProcess returns', async (t) => {
  const child = spawn(process.execPath, ['-e', SPINNING], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => void child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  await once(child.stdout, 'data');
  const { pid } = child;
  if (pid === undefined) return t.fail('no process');
  for (let count = 0; count < 10; count += 1) {
    pauseProcess(child);
    t.deepEqual([...new Set(statesOf(pid))], ['T']);
    child.kill('SIGCONT');
  }
  child.kill('SIGKILL');
  await exited;
});
