/**
 * Checks the directories of a socket: a user who can write to one could put another socket in its place. The rest
 * of the package knows {@link checkDirectories} alone.
 *
 * Optional: docs/removing.md tells how to remove it.
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
 * owners could change them; a change by an owner is noticed a second later: `checkFile` does not look at a
 * directory for 100 ms more.
 */
const ANCESTORS_SAFE_MS = 900;
const MAX_REMEMBERED = 64;

/** A directory that was safe, as its ancestors were. */
interface SafeDirectory {
  readonly device: number;
  readonly inode: number;
  readonly ancestorsSafeUntilMs: number;
  /** When the directory itself was last found safe. */
  lookedAtMs: number;
}

/** Looking at each ancestor before each Hello costs more than all other checks. */
const safe = new WeakMap<UserIds, Map<string, SafeDirectory>>();

/**
 * Checks the directory of a socket and all its ancestors. Returns why one is not trusted, or `undefined`. A
 * missing directory has no problem: the dial reports it better.
 *
 * @param nowMs on the monotonic clock
 * @param againMs how long a look at the directory itself counts, in milliseconds
 */
export function checkDirectories(
  directory: string,
  trusted: UserIds,
  nowMs: number,
  againMs = 0,
): string | undefined {
  const remembered = safe.get(trusted) ?? new Map<string, SafeDirectory>();
  const known = remembered.get(directory);
  if (known !== undefined && nowMs - known.lookedAtMs < againMs) return undefined;
  const stats = look(directory);
  if (stats === undefined) return undefined;
  // A sticky directory is not enough here: it does not keep another user from creating the socket first.
  if (!stats.isDirectory() || isForeign(stats, trusted) || (stats.mode & OTHERS_MAY_WRITE) !== 0)
    return directoryProblem(directory, stats, trusted);
  if (known?.inode === stats.ino && known.device === stats.dev && nowMs < known.ancestorsSafeUntilMs) {
    known.lookedAtMs = nowMs;
    return undefined;
  }
  const problem = checkAncestors(directory, trusted);
  if (problem !== undefined) return problem;
  if (remembered.size >= MAX_REMEMBERED) remembered.clear();
  const ancestorsSafeUntilMs = nowMs + ANCESTORS_SAFE_MS;
  remembered.set(directory, { device: stats.dev, inode: stats.ino, ancestorsSafeUntilMs, lookedAtMs: nowMs });
  safe.set(trusted, remembered);
  return undefined;
}

/** Why the directory of a socket is not trusted. */
function directoryProblem(directory: string, stats: Stats, trusted: UserIds): string {
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
