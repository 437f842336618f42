import type { Failure, SystemFailure } from '../errors.js';
import { printableEndpoint } from '../os/errno.js';
import type { Job } from './job.js';
import { countUnanswered, MOST_UNANSWERED, UNANSWERED_CODE } from './unanswered.js';

/** A connect that the system refused (C-18, C-30). */
export function connectFailure(atBackend: boolean, endpoint: string, system: SystemFailure): Failure {
  return atBackend
    ? { code: 'BACKEND_CONNECT', message: `failed to connect to negotiated backend: ${system.message}`, endpoint, system }
    : { code: 'BROKER_CONNECT', message: `failed to connect to broker: ${system.message}`, endpoint, system };
}

/** The failure of a job whose owner lost interest. */
export function abandonedFailure(job: Job): Failure {
  return { code: 'ABORTED', message: 'given up by its owner', endpoint: job.brokerEndpoint };
}

/** Why no further request may be sent to a broker, if so. */
export function unansweredFailure(endpoint: string): Failure | undefined {
  const count = countUnanswered(endpoint);
  if (count < MOST_UNANSWERED) return undefined;
  const problem = `${count} requests to ${printableEndpoint(endpoint)} are unanswered; no more are sent before one is answered or given up after 35 s`;
  return connectFailure(false, endpoint, { code: UNANSWERED_CODE, syscall: 'connect', message: problem });
}
