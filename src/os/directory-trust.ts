/**
 * Checks the directories of a socket: a user who can write to one could put another socket in its place. The rest
 * of the package knows {@link checkDirectories} alone.
 *
 * Optional. To remove it: delete this file and test/os/directory-trust.test.ts; in endpoint-trust.ts the import,
 * the call and the parameter `nowMs`; in src/backend/listening/bind.ts the import and the check.
 * `trust.sharedDirectories` then has no effect; the tests of directories in endpoint-trust.test.ts and
 * trust.test.ts go with it.
 */
import { readlinkSync, type Stats } from 'node:fs';
import { posix } from 'node:path';
import { printable } from '../errors.js';
import { belongsTo, kindOf, look, namesOf, type UserIds } from './trusted-file.js';

const ROOT = 0;
/** The write bits of group and others. */
const OTHERS_MAY_WRITE = 0o022;
/** In such a directory only the owner of a file may rename or remove it. */
const STICKY = 0o1000;
/** Linux follows no more links in one path either. */
const MAX_LINKS = 40;
const ALLOW_SHARED = 'allow it with trust: { sharedDirectories: true }';

/**
 * How long the ancestors of a directory count as safe after a check. They were safe because only their
 * owners could change them; a change by an owner is noticed a second later: `checkFile` remembers a directory for
 * 100 ms more.
 */
const REMEMBERED_MS = 900;
const MAX_REMEMBERED = 64;

interface SafeDirectory {
  readonly device: number;
  readonly inode: number;
  readonly untilMs: number;
}

/** Directories with safe ancestors: looking at each ancestor before each Hello costs more than all other checks. */
const safe = new WeakMap<UserIds, Map<string, SafeDirectory>>();

/**
 * Checks the directory of a socket and all its ancestors. Returns why one is not trusted, or `undefined`.
 *
 * @param stats of the directory itself
 * @param nowMs on the monotonic clock
 */
export function checkDirectories(
  directory: string,
  stats: Stats,
  trusted: UserIds,
  nowMs: number,
): string | undefined {
  const problem = checkDirectory(directory, stats, trusted);
  if (problem !== undefined) return problem;
  const remembered = safe.get(trusted) ?? new Map<string, SafeDirectory>();
  const known = remembered.get(directory);
  if (known?.inode === stats.ino && known.device === stats.dev && nowMs < known.untilMs) return undefined;
  const onTheWay = checkAncestors(directory, trusted);
  if (onTheWay !== undefined) return onTheWay;
  if (remembered.size >= MAX_REMEMBERED) remembered.clear();
  remembered.set(directory, { device: stats.dev, inode: stats.ino, untilMs: nowMs + REMEMBERED_MS });
  safe.set(trusted, remembered);
  return undefined;
}

/**
 * Why the directory of a socket is not trusted, or `undefined`. A sticky directory is not enough here: it does
 * not keep another user from creating the socket first.
 */
function checkDirectory(directory: string, stats: Stats, trusted: UserIds): string | undefined {
  if (stats.isDirectory() && !isForeign(stats, trusted) && (stats.mode & OTHERS_MAY_WRITE) === 0)
    return undefined;
  const named = `its directory ${printable(directory)}`;
  if (stats.isSymbolicLink())
    return `${named} is no directory but a symbolic link: name the one that it leads to, or ${ALLOW_SHARED}`;
  if (!stats.isDirectory()) return `${named} is no directory but ${kindOf(stats)}`;
  if (isForeign(stats, trusted)) return `${named} ${belongsTo(stats.uid)}`;
  return `others may write to ${named}: ${adviceAgainstWriters(stats)}`;
}

/**
 * Checks all directories and links on the path to a directory: a user who can replace one of them decides
 * where the path leads. Goes down from the root, and through links as the kernel does. Directories and links
 * must belong to trusted users, and others may write to a directory only where it is sticky, as `/tmp` is.
 * Returns why one is not trusted, or `undefined`. A path that leads nowhere has no problem here: the dial
 * reports it better.
 */
export function checkAncestors(directory: string, trusted: UserIds): string | undefined {
  const ahead = namesOf(directory).toReversed();
  let here = '/';
  let links = 0;
  let problem = checkAncestor(here, look(here), trusted);
  for (let name = ahead.pop(); name !== undefined && problem === undefined; name = ahead.pop()) {
    const path = posix.join(here, name);
    const stats = look(path);
    if (stats?.isSymbolicLink()) {
      links += 1;
      const target = links > MAX_LINKS ? undefined : targetOf(path);
      if (target === undefined) return `the link ${printable(path)}, by which it is reached, leads nowhere`;
      if (target.startsWith('/')) here = '/';
      ahead.push(...namesOf(target).toReversed());
    } else {
      here = path;
    }
    problem = checkAncestor(path, stats, trusted);
  }
  return problem;
}

function checkAncestor(path: string, stats: Stats | undefined, trusted: UserIds): string | undefined {
  if (stats === undefined) return undefined;
  // The mode of a link means nothing.
  const isProtected = (stats.mode & STICKY) !== 0 || (stats.mode & OTHERS_MAY_WRITE) === 0;
  const isOurs = !isForeign(stats, trusted);
  if (isOurs && (isProtected || stats.isSymbolicLink())) return undefined;
  const named = `${printable(path)}, by which it is reached`;
  if (!isOurs) return `${named}, ${belongsTo(stats.uid)}`;
  return `others may write to ${named}: ${adviceAgainstWriters(stats)}`;
}

function isForeign({ uid }: Stats, trusted: UserIds): boolean {
  return uid !== ROOT && !trusted.includes(uid);
}

/** A sticky directory is meant for all users and must stay so: there the socket is in the wrong place. */
function adviceAgainstWriters(stats: Stats): string {
  const isPrivate = stats.uid === process.geteuid?.() && (stats.mode & STICKY) === 0;
  return `${isPrivate ? 'chmod go-w would help' : 'move the socket to a directory of your own'}, or ${ALLOW_SHARED}`;
}

function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined;
  }
}
