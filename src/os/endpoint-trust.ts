import type { Stats } from 'node:fs';
import { posix } from 'node:path';
import { monotonicNowMs } from '../clock.js';
import type { SystemFailure } from '../errors.js';
import {
  allowUser,
  belongsTo,
  directoryProblem,
  namesOf,
  wayProblem,
  type UserIds,
} from './directory-trust.js';
import { errnoName, printableEndpoint } from './errno.js';
import { kindOf, look } from './file-look.js';
import { canAskForPeers, peerOf } from './peer.js';
import { WayMemory } from './way-memory.js';

/**
 * Whom a client accepts at the other end of a local socket; functions that are given `undefined` accept
 * everybody. Plain data: it crosses threads.
 */
export interface EndpointTrust {
  /** Users whose sockets and processes are trusted. */
  readonly userIds: UserIds;
  /**
   * Look at no directory: accept sockets where others than these users may create, replace or remove files.
   */
  readonly sharedDirectories: boolean;
}

/**
 * Trusts the user of this process alone. On Windows, where there are no user ids, pipes are guarded by their
 * access lists.
 */
export function ownTrust(): EndpointTrust {
  const own = process.geteuid?.();
  return { userIds: own === undefined ? [] : [own], sharedDirectories: false };
}

/**
 * The failure of a dial that was not made, or not kept, because of what {@link fileProblem} or {@link
 * peerProblem} found.
 */
export function untrusted(endpoint: string, problem: string): SystemFailure {
  return {
    code: 'EUNTRUSTED',
    syscall: 'connect',
    message: `${printableEndpoint(endpoint)} is not trusted: ${problem}`,
  };
}

/** Parts of a path that lead nowhere: `//`, `/./`, and the same at its end. */
const HAS_EMPTY_PARTS = /\/\.?(?:\/|$)/;

/**
 * Looks at the socket file, and at all by which it is reached, before anybody dials it. Returns what speaks
 * against it, or `undefined`. A missing file is not reported here: the dial reports it better. Abstract names
 * and pipes have no file.
 *
 * @param nowMs on the monotonic clock
 */
export function fileProblem(
  endpoint: string,
  trust: EndpointTrust | undefined,
  nowMs = monotonicNowMs(),
): string | undefined {
  if (trust === undefined || process.platform === 'win32' || endpoint.startsWith('\0')) return undefined;
  // The kernel truncates a path at NUL, and a relative one names another file after each chdir: the dial
  // would not reach the file checked here.
  if (endpoint.includes('\0')) return 'there is a NUL in its name';
  if (!endpoint.startsWith('/')) return 'its path is not absolute';
  // A link must not hide behind a slash or a dot: `link/` is what it leads to.
  const path = HAS_EMPTY_PARTS.test(endpoint) ? `/${namesOf(endpoint).join('/')}` : endpoint;
  const directory = posix.dirname(path);
  const folder = look(directory);
  const file = look(path);
  if (folder === undefined || file === undefined) return undefined;
  return (
    (trust.sharedDirectories ? undefined : placeProblem(directory, folder, trust.userIds, nowMs)) ??
    socketProblem(file, trust.userIds)
  );
}

/**
 * The same for an endpoint to which nothing is sent before {@link peerProblem} has been asked. The kernel
 * then says who is behind it, and it does not matter whose the file is; the file is looked at only where the
 * kernel cannot be asked.
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
  return trust.userIds.includes(peer.userId)
    ? undefined
    : `the process behind it runs as user ${peer.userId}: ${allowUser(peer.userId)}`;
}

const safeWays = new WayMemory();

function placeProblem(directory: string, folder: Stats, trusted: UserIds, nowMs: number): string | undefined {
  const problem = directoryProblem(directory, folder, trusted);
  if (problem !== undefined || safeWays.knows(directory, folder, trusted, nowMs)) return problem;
  const onTheWay = wayProblem(directory, trusted);
  if (onTheWay === undefined) safeWays.remember(directory, folder, trusted, nowMs);
  return onTheWay;
}

function socketProblem(file: Stats, trusted: UserIds): string | undefined {
  if (file.isSymbolicLink()) return 'it is no socket but a symbolic link: name the socket that it leads to';
  if (!file.isSocket()) return `it is no socket but ${kindOf(file)}`;
  return trusted.includes(file.uid) ? undefined : `it ${belongsTo(file.uid)}`;
}
