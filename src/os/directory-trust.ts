import { readlinkSync, type Stats } from 'node:fs';
import { posix } from 'node:path';
import { printable } from '../errors.js';
import { kindOf, look } from './file-look.js';

/** Users whose files are trusted. Those of root always are: it may do anything anyhow. */
export type UserIds = readonly number[];

const ROOT = 0;
/** The write bits of group and others. */
const OTHERS_MAY_WRITE = 0o022;
/** In such a directory only the owner of a file may rename or remove it. */
const STICKY = 0o1000;
/** Where Linux gives up, too. */
const MOST_LINKS = 40;
const ALLOW_SHARED = 'allow it with trust: { sharedDirectories: true }';

/** The names in a path; `.` and repeated slashes lead nowhere. */
export function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

/** Whose something is, and how to allow that. */
export function belongsTo(userId: number): string {
  return `belongs to user ${userId}: ${allowUser(userId)}`;
}

export function allowUser(userId: number): string {
  return `if you trust that user, allow it with trust: { userIds: [${userId}] }`;
}

/**
 * What speaks against the directory that a socket lies in, or `undefined`. Here not even a sticky one will
 * do: it keeps nobody from being the first.
 */
export function directoryProblem(directory: string, stats: Stats, trusted: UserIds): string | undefined {
  if (stats.isDirectory() && !isForeign(stats, trusted) && !mayBeWritten(stats)) return undefined;
  const named = `its directory ${printable(directory)}`;
  if (stats.isSymbolicLink())
    return `${named} is no directory but a symbolic link: name the one that it leads to, or ${ALLOW_SHARED}`;
  if (!stats.isDirectory()) return `${named} is no directory but ${kindOf(stats)}`;
  if (isForeign(stats, trusted)) return `${named} ${belongsTo(stats.uid)}`;
  return `others may write to ${named}: ${adviceAgainstWriters(stats)}`;
}

/**
 * Looks at all by which a directory is reached: whoever can put something else in the place of one part
 * decides where the path leads. Goes down from the root, and through links as the kernel does. Directories
 * and links must belong to trusted users, and others may write to a directory only where it is sticky, as
 * `/tmp` is. Returns what speaks against a part, or `undefined`. A path that leads nowhere is no matter of
 * trust: the dial says so better.
 */
export function wayProblem(directory: string, trusted: UserIds): string | undefined {
  const ahead = namesOf(directory).toReversed();
  let here = '/';
  let links = 0;
  let problem = partProblem(here, look(here), trusted);
  for (let name = ahead.pop(); name !== undefined && problem === undefined; name = ahead.pop()) {
    const path = posix.join(here, name);
    const stats = look(path);
    if (stats?.isSymbolicLink()) {
      links += 1;
      const target = links > MOST_LINKS ? undefined : targetOf(path);
      if (target === undefined) return `the link ${printable(path)}, by which it is reached, leads nowhere`;
      if (target.startsWith('/')) here = '/';
      ahead.push(...namesOf(target).toReversed());
    } else {
      here = path;
    }
    problem = partProblem(path, stats, trusted);
  }
  return problem;
}

function partProblem(path: string, stats: Stats | undefined, trusted: UserIds): string | undefined {
  if (stats === undefined) return undefined;
  const named = `${printable(path)}, by which it is reached`;
  if (isForeign(stats, trusted)) return `${named}, ${belongsTo(stats.uid)}`;
  // Nobody writes to a link, whatever its mode says.
  if (stats.isSymbolicLink() || isSticky(stats) || !mayBeWritten(stats)) return undefined;
  return `others may write to ${named}: ${adviceAgainstWriters(stats)}`;
}

function isForeign({ uid }: Stats, trusted: UserIds): boolean {
  return uid !== ROOT && !trusted.includes(uid);
}

function mayBeWritten({ mode }: Stats): boolean {
  return (mode & OTHERS_MAY_WRITE) !== 0;
}

function isSticky({ mode }: Stats): boolean {
  return (mode & STICKY) !== 0;
}

/** What is meant for everybody must stay so: there it is the socket that is in the wrong place. */
function adviceAgainstWriters(stats: Stats): string {
  const isPrivate = stats.uid === process.geteuid?.() && !isSticky(stats);
  return `${isPrivate ? 'chmod go-w would help' : 'move the socket to a directory of your own'}, or ${ALLOW_SHARED}`;
}

function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined;
  }
}
