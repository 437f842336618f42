import type { Failure, SystemFailure } from '../errors.js';
import { printableEndpoint } from '../os/errno.js';
import type { Job } from './job.js';

/**
 * A full backlog fails a non-blocking connect with EAGAIN, and there is nothing to poll for. The first tries follow
 * quickly, because a listener that accepts at all makes room within microseconds. Outside Linux it is ECONNREFUSED, as where nobody
 * listens, and final.
 */
export const FIRST_RETRY_MS = 0.5;
export const LONGEST_RETRY_MS = 16;

/** A connect that the system refused (C-18, C-30). */
export function connectFailure(atBackend: boolean, endpoint: string, system: SystemFailure): Failure {
  return atBackend
    ? { code: 'BACKEND_CONNECT', message: `failed to connect to negotiated backend: ${system.message}`, endpoint, system }
    : { code: 'BROKER_CONNECT', message: `failed to connect to broker: ${system.message}`, endpoint, system };
}

/** A connect that found no room in the listener's backlog until its deadline. */
export function backlogFailure(endpoint: string, timeoutMs: number): Failure {
  const message = `connect to ${printableEndpoint(endpoint)} timed out after ${timeoutMs} ms: its backlog stayed full`;
  return { code: 'TIMEOUT', phase: 'connect', message, endpoint };
}

/** The failure of a job whose owner lost interest. */
export function abandonedFailure(job: Job): Failure {
  return { code: 'ABORTED', message: 'given up by its owner', endpoint: job.brokerEndpoint };
}
