import { readlink } from 'node:fs/promises';
import { BrokerPoolError, printable, printableEndpoint } from '../errors.js';
import { isAlive } from '../os/process-alive.js';
import type { DaemonProcess } from '../wire/messages.js';
import { executableHash } from './hash-cache.js';
import { currentBootId } from './host-identity.js';

/**
 * Compares an identity with the process of its id (P-24): alive, of this boot, and running that executable.
 *
 * @throws {BrokerPoolError} `IDENTITY_MISMATCH` that names the first difference
 */
export async function verifyProcess({ pid, bootId, exePath, exeHash }: DaemonProcess): Promise<void> {
  if (!isAlive(pid)) throw identityMismatch(`no process has the id ${pid}`);
  const ownBootId = await currentBootId();
  // Where a boot has no name there is nothing to compare.
  if (bootId !== '' && ownBootId !== '' && bootId !== ownBootId)
    throw identityMismatch('it is of another boot of the machine');
  const running = process.platform === 'linux' ? await executableOf(pid) : undefined;
  if (running !== undefined && running !== exePath)
    throw identityMismatch(`process ${pid} runs ${printable(running)}, not ${printable(exePath)}`);
  const hash = await executableHash(exePath).catch((cause: unknown) => {
    throw identityMismatch(`${printable(exePath)} cannot be read`, cause);
  });
  if (Buffer.compare(hash, exeHash) !== 0) throw identityMismatch(`${printable(exePath)} is another build`);
}

/**
 * The first field in which the process behind an endpoint differs from an identity; `undefined` for none. Fields in
 * which good responders may differ are not compared (P-25).
 */
export function differenceOf(actual: DaemonProcess, expected: DaemonProcess): string | undefined {
  if (actual.pid !== expected.pid) return `process id ${actual.pid}, not ${expected.pid}`;
  if (actual.exePath !== expected.exePath)
    return `executable ${printable(actual.exePath)}, not ${printable(expected.exePath)}`;
  if (Buffer.compare(actual.exeHash, expected.exeHash) !== 0) return 'another hash of its executable';
  if (actual.bootId !== expected.bootId) return 'another boot of the machine';
  const { namespaceId = '', path = '' } = actual.ipcEndpoint ?? {};
  const wanted = expected.ipcEndpoint;
  if (namespaceId !== wanted?.namespaceId) return `namespace ${printable(namespaceId)}`;
  return path === wanted.path ? undefined : `endpoint ${printableEndpoint(path)}`;
}

export function identityMismatch(problem: string, cause?: unknown): BrokerPoolError {
  return new BrokerPoolError(
    'IDENTITY_MISMATCH',
    `the backend is not that of its identity file: ${problem}`,
    {
      cause,
    },
  );
}

/** `undefined` where the kernel does not tell, for another user's process for example. */
async function executableOf(pid: number): Promise<string | undefined> {
  try {
    return await readlink(`/proc/${pid}/exe`);
  } catch {
    return undefined;
  }
}
