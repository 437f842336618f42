import { basename, join } from 'node:path';
import { PIPE_PREFIX } from '../../src/endpoint.js';

/**
 * An endpoint that this platform has: a socket file in `directory`, or on Windows a pipe whose name begins with
 * the directory's.
 */
export function endpointIn(directory: string, name: string): string {
  return process.platform === 'win32'
    ? `${PIPE_PREFIX}${basename(directory)}-${name}`
    : join(directory, `${name}.sock`);
}

/** Endpoints that no test dials. */
export const FAKE_BROKER = endpointIn('/fake', 'broker');
export const FAKE_BACKEND = endpointIn('/fake', 'backend');
