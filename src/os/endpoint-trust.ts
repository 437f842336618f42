import { posix } from 'node:path';
import { monotonicNowMs } from '../clock.js';
import type { SystemFailure } from '../errors.js';
import { LINUX } from './abi.js';
import { checkDirectories } from './directory-trust.js';
import { errnoName, printableEndpoint } from './errno.js';
import { loadNative } from './native.js';
import { allowUser, belongsTo, kindOf, look, namesOf, type UserIds } from './trusted-file.js';

/**
 * Which users a client accepts at the other end of a local socket; `undefined` in its place accepts all users.
 * Plain data: it crosses threads.
 */
export interface EndpointTrust {
  /** Users whose sockets and processes are trusted. */
  readonly userIds: UserIds;
  /**
   * Check no directory: accept sockets where others than these users may create, replace or remove files.
   */
  readonly sharedDirectories: boolean;
}

let lastOwn: { readonly userId: number | undefined; readonly trust: EndpointTrust } | undefined;

/**
 * Trusts the user of this process alone. On Windows, where there are no user ids, access lists guard the pipes. The
 * same object for the same user: it is the key under which checks are remembered.
 */
export function ownTrust(): EndpointTrust {
  const userId = process.geteuid?.();
  if (lastOwn === undefined || lastOwn.userId !== userId) {
    const userIds = Object.freeze(userId === undefined ? [] : [userId]);
    lastOwn = { userId, trust: Object.freeze({ userIds, sharedDirectories: false }) };
  }
  return lastOwn.trust;
}

/** The failure of a dial that {@link checkFile} or {@link checkPeer} stopped. */
export function untrusted(endpoint: string, problem: string): SystemFailure {
  return {
    code: 'EUNTRUSTED',
    syscall: 'connect',
    message: `${printableEndpoint(endpoint)} is not trusted: ${problem}`,
  };
}

/**
 * How long a socket's directory counts as safe after a check, so that many Hellos in a row look at it once. Until
 * then only users who are trusted, or root, could open it to others. The socket itself is looked at before each
 * Hello.
 */
const DIRECTORY_SAFE_MS = 100;

/** Parts of a path that lead nowhere: `//`, `/./`, and the same at its end. */
const HAS_EMPTY_PARTS = /\/\.?(?:\/|$)/;

/**
 * Checks the socket file and its directories before a dial. Returns why they are not trusted, or `undefined`.
 * A missing file has no problem here: the dial reports it better. Abstract names and pipes have no file.
 *
 * @param nowMs on the monotonic clock
 */
export function checkFile(
  endpoint: string,
  trust: EndpointTrust | undefined,
  nowMs = monotonicNowMs(),
): string | undefined {
  if (trust === undefined || process.platform === 'win32' || endpoint.startsWith('\0')) return undefined;
  const { userIds, sharedDirectories } = trust;
  // The kernel truncates a path at NUL, and a relative one names another file after each chdir: the dial
  // would not reach the file checked here.
  if (endpoint.includes('\0')) return 'there is a NUL in its name';
  if (!endpoint.startsWith('/')) return 'its path is not absolute';
  // `link/` is the target of the link: a slash or a dot must not hide the link.
  const path = HAS_EMPTY_PARTS.test(endpoint) ? `/${namesOf(endpoint).join('/')}` : endpoint;
  const file = look(path);
  if (file === undefined) return undefined;
  const problem = sharedDirectories
    ? undefined
    : checkDirectories(posix.dirname(path), userIds, nowMs, DIRECTORY_SAFE_MS);
  if (problem !== undefined) return problem;
  if (file.isSymbolicLink()) return 'it is no socket but a symbolic link: name the socket that it leads to';
  if (!file.isSocket()) return `it is no socket but ${kindOf(file)}`;
  return userIds.includes(file.uid) ? undefined : `it ${belongsTo(file.uid)}`;
}

/**
 * Checks the directory of a socket, whether the socket is there or not. Returns why it is not trusted, or
 * `undefined`.
 */
export function checkFolder(directory: string, trust: EndpointTrust): string | undefined {
  return trust.sharedDirectories ? undefined : checkDirectories(directory, trust.userIds, monotonicNowMs());
}

/**
 * {@link checkFile} only where the kernel does not name peers. For endpoints to which nothing is sent before
 * {@link checkPeer}: there the owner of the file does not matter.
 */
export function checkFileUnlessPeerKnown(
  endpoint: string,
  trust: EndpointTrust | undefined,
): string | undefined {
  return canAskForPeers() ? undefined : checkFile(endpoint, trust);
}

/** Checks the process at the other end of a connection. Returns why it is not trusted, or `undefined`. */
export function checkPeer(descriptor: number, trust: EndpointTrust | undefined): string | undefined {
  if (trust === undefined) return undefined;
  const peer = peerOf(descriptor);
  if (peer === undefined) return undefined;
  if (typeof peer === 'number') return `the system does not say who is behind it (${errnoName(-peer)})`;
  return trust.userIds.includes(peer.userId)
    ? undefined
    : `the process behind it runs as user ${peer.userId}: ${allowUser(peer.userId)}`;
}

/** The process at the other end of a connected Unix socket, in the kernel's words: it cannot be forged. */
export interface Peer {
  /** The effective user when the connection was made; of a listener, when it began to listen. */
  readonly userId: number;
  /** 0 where the kernel does not tell. */
  readonly processId: number;
}

const LINUX_SO_PEERCRED = 17;
/** `struct ucred` on Linux: pid i32, uid u32, gid u32. */
const UCRED_BYTES = 12;
const UCRED_UID_OFFSET = 4;

let askKernel: ((descriptor: number) => Peer | number) | undefined;

/**
 * The process at the other end of a socket; the negated errno where the kernel does not say. `undefined` where
 * the C library cannot be reached, or has no such call: Windows, where pipes have access lists instead.
 */
export function peerOf(descriptor: number): Peer | number | undefined {
  return canAskForPeers() ? askKernel?.(descriptor) : undefined;
}

/** Whether {@link peerOf} has an answer here. */
export function canAskForPeers(): boolean {
  askKernel ??= bindPeerCall();
  return askKernel !== undefined;
}

function bindPeerCall(): ((descriptor: number) => Peer | number) | undefined {
  const binder = loadNative()?.binder;
  if (binder === undefined) return undefined;
  if (process.platform === 'linux') {
    const getOption = binder.define(
      'int getsockopt(int fd, int level, int name, uint8_t *value, uint32_t *length)',
    );
    const credentials = new DataView(new ArrayBuffer(UCRED_BYTES));
    const bytes = new Uint8Array(credentials.buffer);
    const length = new Uint32Array(1);
    return (descriptor) => {
      length[0] = UCRED_BYTES;
      const result = getOption(descriptor, LINUX.SOL_SOCKET, LINUX_SO_PEERCRED, bytes, length);
      if (result < 0) return result;
      return {
        userId: credentials.getUint32(UCRED_UID_OFFSET, true),
        processId: credentials.getInt32(0, true),
      };
    };
  }
  const getPeerUser = binder.define('int getpeereid(int fd, uint32_t *uid, uint32_t *gid)');
  return (descriptor) => {
    const user = new Uint32Array(1);
    const group = new Uint32Array(1);
    const result = getPeerUser(descriptor, user, group);
    return result < 0 ? result : { userId: user[0] ?? -1, processId: 0 };
  };
}
