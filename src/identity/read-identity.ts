import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
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
    const identity = parseIdentityFile(await readShort(path));
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

async function readShort(path: string): Promise<string> {
  // A pipe without a writer would otherwise keep a thread of libuv for good.
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw new Error('it is no regular file');
    if (stats.size > LONGEST_FILE_BYTES) throw new Error(`it is longer than ${LONGEST_FILE_BYTES} bytes`);
    return await file.readFile({ encoding: 'utf8' });
  } finally {
    await file.close();
  }
}
