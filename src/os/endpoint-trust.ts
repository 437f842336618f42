import { lstatSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import type { SystemFailure } from '../errors.js';
import { errnoName, printableEndpoint } from './errno.js';
import { canAskForPeers, peerOf } from './peer.js';

/** Whom a client accepts at the other end of a local socket; functions that are given `undefined` accept everybody. Plain data: it crosses threads. */
export interface EndpointTrust {
  /** Users whose sockets and processes are trusted. */
  readonly userIds: readonly number[];
  /** Accept sockets in directories where others than these users may create, replace or remove files. */
  readonly sharedDirectories: boolean;
}

/** Trusts the user of this process alone. On Windows, where there are no user ids, pipes are guarded by their access lists. */
export function ownTrust(): EndpointTrust {
  const own = process.geteuid?.();
  return { userIds: own === undefined ? [] : [own], sharedDirectories: false };
}

/** The failure of a dial that was not made, or not kept, because of what {@link fileProblem} or {@link peerProblem} found. */
export function untrusted(endpoint: string, problem: string): SystemFailure {
  return { code: 'EUNTRUSTED', syscall: 'connect', message: `${printableEndpoint(endpoint)} is not trusted: ${problem}` };
}

/** The write bits of group and others. */
const OTHERS_MAY_WRITE = 0o022;
const ROOT = 0;

/**
 * Looks at the socket file before it is dialled. Returns what is wrong with it, or `undefined`. A missing file is not reported here:
 * the dial reports it better. Abstract names and pipes have no file.
 */
export function fileProblem(endpoint: string, trust: EndpointTrust | undefined): string | undefined {
  if (trust === undefined || process.platform === 'win32' || endpoint.startsWith('\0')) return undefined;
  const directory = dirname(endpoint);
  const folder = look(directory);
  const file = look(endpoint);
  if (folder === undefined || file === undefined) return undefined;
  return (trust.sharedDirectories ? undefined : directoryProblem(directory, folder, trust)) ?? socketProblem(file, trust);
}

/**
 * The same for an endpoint to which nothing is sent before {@link peerProblem} has been asked. The kernel then says who is behind it, and it
 * does not matter whose the file is; the file is looked at only where the kernel cannot be asked.
 */
export function quietEndpointProblem(endpoint: string, trust: EndpointTrust | undefined): string | undefined {
  return canAskForPeers() ? undefined : fileProblem(endpoint, trust);
}

/** Looks at who is at the other end of a connection. Returns what is wrong with that, or `undefined`. */
export function peerProblem(descriptor: number, trust: EndpointTrust | undefined): string | undefined {
  if (trust === undefined) return undefined;
  const peer = peerOf(descriptor);
  if (peer === undefined) return undefined;
  if (typeof peer === 'number') return `the system does not say who is behind it (${errnoName(-peer)})`;
  return trust.userIds.includes(peer.userId) ? undefined : `the process behind it runs as user ${peer.userId}`;
}

function directoryProblem(directory: string, folder: Stats, trust: EndpointTrust): string | undefined {
  if (!folder.isDirectory()) return `its directory ${directory} is no directory but ${kindOf(folder)}`;
  // What root owns and nobody else may write to is as safe as the system itself.
  if (folder.uid !== ROOT && !trust.userIds.includes(folder.uid)) return `its directory ${directory} belongs to user ${folder.uid}`;
  if ((folder.mode & OTHERS_MAY_WRITE) !== 0) return `others may write to its directory ${directory} (chmod 700 would help)`;
  return undefined;
}

function socketProblem(file: Stats, trust: EndpointTrust): string | undefined {
  if (!file.isSocket()) return `it is no socket but ${kindOf(file)}`;
  return trust.userIds.includes(file.uid) ? undefined : `it belongs to user ${file.uid}`;
}

function kindOf(file: Stats): string {
  if (file.isSymbolicLink()) return 'a symbolic link';
  if (file.isDirectory()) return 'a directory';
  return file.isFile() ? 'a file' : 'a device or a pipe';
}

/** Never follows a link, whose target can be changed between the look and the dial. What cannot be looked at cannot be dialled either. */
function look(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
