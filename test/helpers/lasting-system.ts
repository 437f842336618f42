import type { ExecutionContext } from 'ava';
import { ProcessSystem, type ProcessSystemOptions } from './process-system.js';
import test, { temporaryDirectory } from './sanitary.js';

/**
 * One system for all serial tests of a file that leave it as it was: the start of its two processes takes longer than
 * most of these tests.
 */
export function lastingSystem(
  options: () => Omit<ProcessSystemOptions, 'directory'> = () => ({}),
): (t: ExecutionContext) => Promise<ProcessSystem> {
  let system: Promise<ProcessSystem> | undefined;
  test.after.always('the processes of the file are stopped', async () => (await system)?.stop());
  return (t) => (system ??= ProcessSystem.start({ directory: temporaryDirectory(t), ...options() }));
}
