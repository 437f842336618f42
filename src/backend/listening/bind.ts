import { chmodSync, lstatSync, mkdirSync, rmSync, unlinkSync } from 'node:fs';
import type { ListenOptions, Server } from 'node:net';
import { dirname } from 'node:path';
import { BrokerPoolError } from '../../errors.js';
import { canAskForPeers, checkFolder, type EndpointTrust } from '../../os/endpoint-trust.js';
import { systemCode } from '../../os/errno.js';
import { isRefused } from '../../os/is-refused.js';
import { withBindLock } from './bind-lock.js';
import { inUseError, startError } from './start-error.js';

/** How to listen. */
export interface BindOptions {
  readonly backlog?: number | undefined;
  readonly trust: EndpointTrust;
}

const PRIVATE_DIRECTORY = 0o700;
const PRIVATE_SOCKET = 0o600;
const SHARED_SOCKET = 0o666;

/** Whether an endpoint is a file, neither a pipe of Windows nor an abstract name of Linux. */
function isFile(endpoint: string): boolean {
  return process.platform !== 'win32' && !endpoint.startsWith('\0');
}

/**
 * Removes the file of a socket that Node has not made. A file that stays, as Node's own may, is replaced by the next
 * backend.
 */
export function removeSocket(endpoint: string): void {
  try {
    if (isFile(endpoint)) rmSync(endpoint, { force: true });
  } catch {
    // The backend answers the requests in flight all the same.
  }
}

/**
 * Listens at an endpoint that no other process serves. Makes its directory (mode 0700) where it is missing, and
 * replaces the socket file that a process left behind which was killed.
 *
 * @throws `ENDPOINT_IN_USE`, or `BACKEND_START` with the system's error as the cause
 */
export async function bind(server: Server, endpoint: string, options: BindOptions): Promise<void> {
  try {
    if (isFile(endpoint)) await bindFile(server, endpoint, options);
    else await listen(server, endpoint, options.backlog);
  } catch (error) {
    if (error instanceof BrokerPoolError) throw error;
    throw systemCode(error) === 'EADDRINUSE'
      ? inUseError(endpoint, error)
      : startError(endpoint, 'listen', error, 'Give an endpoint in a directory of this user.');
  }
}

async function bindFile(server: Server, endpoint: string, { backlog, trust }: BindOptions): Promise<void> {
  const directory = dirname(endpoint);
  mkdirSync(directory, { recursive: true, mode: PRIVATE_DIRECTORY });
  // Clients refuse such a directory, too: there another user could replace the socket.
  const problem = checkFolder(directory, trust);
  if (problem !== undefined) throw startError(endpoint, problem);
  const mode = socketMode(endpoint, trust);
  const bindOrReplace = async (): Promise<void> => {
    try {
      await listen(server, endpoint, backlog);
    } catch (error) {
      if (systemCode(error) !== 'EADDRINUSE' || !(await removeStale(endpoint))) throw error;
      await listen(server, endpoint, backlog);
    }
    chmodSync(endpoint, mode);
  };
  await withBindLock(endpoint, bindOrReplace, () => isServed(endpoint));
}

/** Whether a process listens at a socket file. */
async function isServed(endpoint: string): Promise<boolean> {
  const stats = lstatSync(endpoint, { throwIfNoEntry: false });
  return stats?.isSocket() === true && !(await isRefused(endpoint));
}

/** Other users may connect only where the kernel says who they are. */
function socketMode(endpoint: string, { userIds }: EndpointTrust): number {
  const hasOthers = userIds.some((user) => user !== process.geteuid?.());
  if (hasOthers && !canAskForPeers())
    throw startError(endpoint, 'trust.userIds needs the C library, which tells the users of clients');
  return hasOthers ? SHARED_SOCKET : PRIVATE_SOCKET;
}

/** Removes a socket file behind which no process listens. False for all else. */
async function removeStale(endpoint: string): Promise<boolean> {
  const stats = lstatSync(endpoint, { throwIfNoEntry: false });
  if (stats === undefined) return true;
  // A file or a link is a mistake of the user's, not a leftover.
  if (!stats.isSocket())
    throw startError(endpoint, 'there is a file that is no socket. Remove it, or choose another endpoint');
  if (!(await isRefused(endpoint))) return false;
  unlinkSync(endpoint);
  return true;
}

/** `exclusive`: a worker of `node:cluster` listens itself. */
function listen(server: Server, endpoint: string, backlog: number | undefined): Promise<void> {
  return listening(server, { path: endpoint, exclusive: true, ...(backlog !== undefined && { backlog }) });
}

/** Settles when the server listens, or cannot. */
export function listening(server: Server, options: ListenOptions & { fd?: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...options }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
