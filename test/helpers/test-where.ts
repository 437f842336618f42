import type { ExecutionContext } from 'ava';
import test from './sanitary.js';

type Declare = (title: string, implementation: (t: ExecutionContext) => void | Promise<void>) => void;

export const onWindows = process.platform === 'win32';

/** What a shared pool needs: its connections move between threads as descriptors. */
export const SHARING = 'descriptors in other threads';

/**
 * Declares a test by `declare` where the platform has what the test needs. Elsewhere the test is skipped, and its
 * title in the report says why.
 */
export function testWhere(has: boolean, need: string, declare: Declare = test): Declare {
  return has
    ? declare
    : (title, implementation) => test.skip(`${title} (skipped: needs ${need})`, implementation);
}
