import { readFile } from 'node:fs/promises';
import { checkEndpoint } from '../endpoint.js';
import { BrokerPoolError, printable } from '../errors.js';
import { parseIdentityFile } from '../wire/identity-file.js';
import type { DaemonProcess } from '../wire/messages.js';

/** Far more than an identity takes: a wrong path must not read a large file into memory. */
const LONGEST_FILE_BYTES = 64 * 1024;

/**
 * The identity of a backend from the file that it has written.
 *
 * @throws {BrokerPoolError} `IDENTITY_FILE` where the file is missing, cannot be read or holds no identity
 */
export async function readIdentity(path: string): Promise<DaemonProcess> {
  try {
    const content = await readFile(path, { encoding: 'utf8' });
    if (content.length > LONGEST_FILE_BYTES) throw new Error(`it is longer than ${LONGEST_FILE_BYTES} bytes`);
    const identity = parseIdentityFile(content);
    checkEndpoint('ipc_endpoint.path', identity.ipcEndpoint?.path);
    return identity;
  } catch (cause) {
    const problem = cause instanceof Error ? printable(cause.message) : 'unknown';
    throw new BrokerPoolError(
      'IDENTITY_FILE',
      `the identity file ${printable(path)} is of no use: ${problem}`,
      {
        cause,
      },
    );
  }
}
