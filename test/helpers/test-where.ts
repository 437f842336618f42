import type { ExecutionContext } from 'ava';
import test from './sanitary.js';

type Declare = (title: string, implementation: (t: ExecutionContext) => void | Promise<void>) => void;

export const onWindows = process.platform === 'win32';

/**
 * Wine names no SID of the user, from which endpoints are derived, and lets several servers listen at one pipe.
 * It sets this variable itself.
 */
export const onWine = onWindows && process.env['WINELOADER'] !== undefined;

/** Needed to derive endpoints. */
export const USER_ID = 'a user id, which Wine does not name';
/** Needed to refuse a second server. */
export const OWN_PIPE = 'a pipe of one server alone, which Wine does not have';

/** Needed to answer a client that has ended its side: a pipe of Windows ends as a whole. */
export const HALF_OPEN = 'connections that end by halves';

/** Needed for socket files, modes and inherited descriptors. */
export const POSIX = 'a POSIX system';

/** Needed for system calls beyond Node's. */
export const FFI = 'the C library';

/** Needed for a shared pool: its connections move between threads as descriptors. */
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
