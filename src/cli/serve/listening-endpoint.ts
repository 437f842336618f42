import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { sharedBrokerEndpoint } from '../../broker-options/endpoints.js';
import { quoted } from '../../validation.js';
import { UsageError } from '../command.js';
import { endpointArgument } from '../values.js';

/**
 * An endpoint at which a command is to listen. Only the directory of this user's brokers is made where it is missing:
 * any other that is missing is more likely misspelt.
 *
 * @throws {UsageError} for a path in a directory that is missing
 */
export function listeningEndpoint(name: string, text: string): string {
  const endpoint = endpointArgument(name, text);
  const directory = dirname(endpoint);
  const isPath = process.platform !== 'win32' && !endpoint.startsWith('\0');
  if (!isPath || existsSync(directory) || directory === brokerDirectory()) return endpoint;
  const advice = 'make it with mkdir -m 700, or correct the path';
  throw new UsageError(`${name} lies in ${quoted(directory)}, which does not exist: ${advice}`);
}

/** Where the brokers of this user listen; `undefined` where that cannot be told. */
function brokerDirectory(): string | undefined {
  try {
    return dirname(sharedBrokerEndpoint());
  } catch {
    return undefined;
  }
}
