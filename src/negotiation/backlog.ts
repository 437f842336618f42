import type { Failure } from '../errors.js';
import { printableEndpoint } from '../os/errno.js';

/**
 * A full backlog fails a non-blocking connect with EAGAIN, and there is nothing to poll for. The first tries
 * follow quickly, because a listener that accepts at all makes room within microseconds. On macOS it is
 * ECONNREFUSED, as where no program listens, and final.
 */
export const FIRST_RETRY_MS = 0.5;
export const LONGEST_RETRY_MS = 16;

/**
 * Whether a connect failed because the listener is busy, so that the same connect may succeed a moment later.
 * On Windows libuv waits for a free instance of a busy pipe up to 30 s by itself and then reports ETIMEDOUT
 * (G-14).
 */
export function isBusy(code: string | undefined, platform: NodeJS.Platform = process.platform): boolean {
  return code === 'EAGAIN' || (platform === 'win32' && (code === 'ETIMEDOUT' || code === 'EBUSY'));
}

/** A connect that found no room in the listener's backlog until its deadline. */
export function backlogFailure(endpoint: string, timeoutMs: number): Failure {
  const message = `connect to ${printableEndpoint(endpoint)} timed out after ${timeoutMs} ms: its backlog stayed full`;
  return { code: 'TIMEOUT', phase: 'connect', message, endpoint };
}
