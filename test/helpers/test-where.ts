import type { ExecutionContext } from 'ava';
import test from './sanitary.js';

type Declare = (title: string, implementation: (t: ExecutionContext) => void | Promise<void>) => void;

export const onWindows = process.platform === 'win32';

/**
 * Wine names no SID of the user, from which endpoints are derived, and lets several servers listen at one pipe.
 * It sets this variable itself.
 */
export const onWine = onWindows && process.env['WINELOADER'] !== undefined;

/** What the derivation of endpoints needs. */
export const USER_ID = 'a user id, which Wine does not name';
/** What a refusal of a second server needs. */
export const OWN_PIPE = 'a pipe of one server alone, which Wine does not have';

/** What the answer to a client that has ended its side needs: a pipe of Windows ends as a whole. */
export const HALF_OPEN = 'connections that end by halves';

/** What socket files, modes and inherited descriptors need. */
export const POSIX = 'a POSIX system';

/** What system calls beyond Node's need. */
export const FFI = 'the C library';

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
