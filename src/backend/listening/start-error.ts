import { BrokerPoolError, printableEndpoint } from '../../errors.js';

/**
 * The error of a backend that cannot begin to serve.
 *
 * @param advice the next step, where the problem does not say it
 */
export function startError(
  endpoint: string,
  problem: string,
  cause?: unknown,
  advice?: string,
): BrokerPoolError {
  const reason = cause instanceof Error ? `${problem}: ${cause.message}` : problem;
  const told = advice === undefined ? reason : `${reason}. ${advice}`;
  const message = `the backend cannot serve at ${printableEndpoint(endpoint)}: ${told}`;
  return new BrokerPoolError('BACKEND_START', message, { endpoint, cause });
}

/** The error for an endpoint at which another process listens. */
export function inUseError(endpoint: string, cause?: unknown): BrokerPoolError {
  const message =
    `another process serves at ${printableEndpoint(endpoint)}. ` +
    'Stop it, or give this backend another endpoint.';
  return new BrokerPoolError('ENDPOINT_IN_USE', message, { endpoint, cause });
}
