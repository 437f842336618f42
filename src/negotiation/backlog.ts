import type { Failure } from '../errors.js';
import { printableEndpoint } from '../os/errno.js';

/**
 * A full backlog fails a non-blocking connect with EAGAIN, and there is nothing to poll for. The first tries follow
 * quickly, because a listener that accepts at all makes room within microseconds. Outside Linux it is ECONNREFUSED, as where nobody
 * listens, and final.
 */
export const FIRST_RETRY_MS = 0.5;
export const LONGEST_RETRY_MS = 16;

/** A connect that found no room in the listener's backlog until its deadline. */
export function backlogFailure(endpoint: string, timeoutMs: number): Failure {
  const message = `connect to ${printableEndpoint(endpoint)} timed out after ${timeoutMs} ms: its backlog stayed full`;
  return { code: 'TIMEOUT', phase: 'connect', message, endpoint };
}
