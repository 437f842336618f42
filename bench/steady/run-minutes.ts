import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { spawnTestSystem } from '../../src/testing/index.js';
import type { Minute, SteadyTask } from '../programs/steady.js';

const ENTRY = fileURLToPath(new URL('../programs/steady.js', import.meta.url));

/**
 * Runs the program beside an embedded broker and backend, each of the three in a process of its own. Throws unless it
 * has sent a message for each minute and ended by itself.
 */
export async function runMinutes(
  wanted: Omit<SteadyTask, 'target'>,
  onMinute: (minute: Minute, number: number) => void,
): Promise<Minute[]> {
  await using system = await spawnTestSystem({ handoff: 'none' });
  const task: SteadyTask = { ...wanted, target: system.target };
  const child = fork(ENTRY, [JSON.stringify(task)]);
  const minutes: Minute[] = [];
  child.on('message', (minute: Minute) => {
    minutes.push(minute);
    onMinute(minute, minutes.length);
  });
  const [code, signal] = await once(child, 'exit');
  if (code !== 0 || minutes.length !== wanted.minutes)
    throw new Error(
      `the steady program ended with ${code ?? signal} after ${minutes.length} of ${wanted.minutes} minutes`,
    );
  return minutes;
}
