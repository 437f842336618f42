import { targetKey } from '../../src/target.js';
import { PIPE_PREFIX } from '../../src/endpoint.js';

const ROOT = process.platform === 'win32' ? PIPE_PREFIX : '/run/';

export const BROKER = `${ROOT}broker`;

/** The key of a target, by the name of its service. */
export function keyOf(serviceName: string, brokerEndpoint = BROKER): string {
  return targetKey({ serviceName, wantedVersion: '1.0.0', brokerEndpoint });
}

export function endpointOf(name: string | number): string {
  return `${ROOT}backend-${name}`;
}
