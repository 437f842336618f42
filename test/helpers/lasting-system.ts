import type { ExecutionContext } from 'ava';
import { ProcessSystem, type ProcessSystemOptions } from './process-system.js';
import test, { temporaryDirectory } from './sanitary.js';

type Options = Omit<ProcessSystemOptions, 'directory'>;

/** The systems of this process, by their options. */
const systems = new Map<string, Promise<ProcessSystem>>();

test.after.always('the lasting processes are stopped', async () => {
  for (const system of systems.values()) await (await system).stop();
});

/**
 * One system for all serial tests of a process that leave it as it was: the start of its two processes takes longer
 * than most of these tests.
 */
export function lastingSystem(options: Options = {}): (t: ExecutionContext) => Promise<ProcessSystem> {
  const key = JSON.stringify(options);
  return (t) => {
    const system = systems.get(key) ?? ProcessSystem.start({ directory: temporaryDirectory(t), ...options });
    systems.set(key, system);
    return system;
  };
}
