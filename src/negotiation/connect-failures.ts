import { printableEndpoint, type Failure, type SystemFailure } from '../errors.js';
import type { Job } from './job.js';

/**
 * A full backlog fails a non-blocking connect with EAGAIN, and there is no event to poll for. The first
 * retries follow quickly, because a listener that accepts at all makes room within microseconds. macOS
 * reports ECONNREFUSED instead, as where no program listens, so a full backlog is final there.
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

/** The other end of a connect; a `backend` is one whose endpoint no broker has named in this call. */
export type Peer = 'broker' | 'negotiated backend' | 'backend';

/** A connect that the system refused (C-18, C-30). */
export function connectFailure(peer: Peer, endpoint: string, system: SystemFailure): Failure {
  const code = peer === 'broker' ? 'BROKER_CONNECT' : 'BACKEND_CONNECT';
  return { code, message: `failed to connect to ${peer}: ${system.message}`, endpoint, system };
}

/** The failure of a job that its caller gave up. */
export function abandonedFailure(job: Job): Failure {
  return { code: 'ABORTED', message: 'given up by its owner', endpoint: job.brokerEndpoint };
}
