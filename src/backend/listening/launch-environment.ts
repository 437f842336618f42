import { checkEndpoint } from '../../endpoint.js';
import { invalidArgument } from '../../errors.js';
import { quoted } from '../../validation.js';

/** The variables that a broker sets for a backend that it launches. */
export interface LaunchEnvironment {
  readonly serviceName: string;
  readonly serviceVersion: string;
  /** Where the backend must listen. */
  readonly endpoint: string;
  /** The namespace of its identity. */
  readonly namespace: string;
  /** The broker's instance. */
  readonly instance: string;
  /** W3C trace context of the Hello that caused the launch; empty if it had none. */
  readonly traceparent: string;
  /** As `traceparent`. */
  readonly tracestate: string;
}

const PREFIX = 'RUNNING_PROCESS_BROKER_V1_';
const ENDPOINT = `${PREFIX}BACKEND_PIPE`;
/** The variable by which a broker hands over the socket that it has made. */
export const LISTENER_VARIABLE = 'RUNNING_PROCESS_BROKER_LISTENER_FD';

/**
 * The launch of this process by its broker; `undefined` for a process that no broker launched.
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT` for an endpoint that cannot be listened on
 */
export function launchEnvironment(env: NodeJS.ProcessEnv = process.env): LaunchEnvironment | undefined {
  // L-04: a broker that launches a backend always says where it shall listen.
  const endpoint = env[ENDPOINT];
  if (endpoint === undefined || endpoint === '') return undefined;
  const read = (name: string): string => env[PREFIX + name] ?? '';
  return {
    serviceName: read('SERVICE_NAME'),
    serviceVersion: read('SERVICE_VERSION'),
    endpoint: checkEndpoint(`the environment variable ${ENDPOINT}`, endpoint),
    namespace: read('BACKEND_NAMESPACE'),
    instance: read('INSTANCE'),
    traceparent: read('TRACEPARENT'),
    tracestate: read('TRACESTATE'),
  };
}

/**
 * The listening socket that the broker made for this process; `undefined` where the backend has to make one.
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT` for a value that is no descriptor
 */
export function inheritedListener(env: NodeJS.ProcessEnv = process.env): number | undefined {
  const text = env[LISTENER_VARIABLE];
  if (text === undefined || text === '') return undefined;
  // L-22: 0, 1 and 2 are the standard streams.
  if (/^\d{1,9}$/.test(text) && Number(text) > 2) return Number(text);
  throw invalidArgument(
    `the environment variable ${LISTENER_VARIABLE}`,
    `must be the number of a descriptor, got ${quoted(text)}`,
  );
}

/** Programs that this process starts were not launched by the broker, and do not have its socket. */
export function forgetLaunch(env: NodeJS.ProcessEnv = process.env): void {
  // L-22: children inherit the environment.
  delete env[ENDPOINT];
  delete env[LISTENER_VARIABLE];
}
