import type { Failure, SystemFailure } from '../errors.js';
import type { Job } from './job.js';

/** A connect that the system refused (C-18, C-30). */
export function connectFailure(atBackend: boolean, endpoint: string, system: SystemFailure): Failure {
  return atBackend
    ? {
        code: 'BACKEND_CONNECT',
        message: `failed to connect to negotiated backend: ${system.message}`,
        endpoint,
        system,
      }
    : { code: 'BROKER_CONNECT', message: `failed to connect to broker: ${system.message}`, endpoint, system };
}

/** The failure of a job whose owner lost interest. */
export function abandonedFailure(job: Job): Failure {
  return { code: 'ABORTED', message: 'given up by its owner', endpoint: job.brokerEndpoint };
}
