import { checkEndpoint } from '../endpoint.js';
import { BrokerPoolError, printable } from '../errors.js';
import { readShortFile, RefusedFile } from '../os/short-file.js';
import { parseIdentityFile } from '../wire/identity-file.js';
import type { DaemonProcess } from '../wire/messages.js';

/** Far more than an identity takes: a wrong path must not read a large file into memory. */
const LONGEST_FILE_BYTES = 64 * 1024;

/**
 * The identity of a backend from the file that it has written.
 *
 * @throws {BrokerPoolError} `IDENTITY_FILE` where the file is missing, cannot be read or holds no identity
 */
export function readIdentity(path: string): DaemonProcess {
  try {
    const identity = parseIdentityFile(readShortFile(path, LONGEST_FILE_BYTES).content.toString());
    checkEndpoint('ipc_endpoint.path', identity.ipcEndpoint?.path);
    return identity;
  } catch (cause) {
    const message = cause instanceof Error ? printable(cause.message) : 'unknown';
    const problem = cause instanceof RefusedFile ? `it ${message}` : message;
    throw new BrokerPoolError(
      'IDENTITY_FILE',
      `the identity file ${printable(path)} is of no use: ${problem}`,
      {
        cause,
      },
    );
  }
}
