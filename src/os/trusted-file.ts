import { lstatSync, type Stats } from 'node:fs';

/** The permissions of group and others. */
export const ANY_OTHER = 0o077;

/** Users whose files are trusted. Files of root are always trusted: root can replace any file. */
export type UserIds = readonly number[];

/**
 * Looks at a path without following a link, which could be changed between the look and the dial. `undefined`
 * for a path that cannot be looked at: it cannot be dialled either.
 */
export function look(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

export function kindOf(file: Stats): string {
  if (file.isSymbolicLink()) return 'a symbolic link';
  if (file.isDirectory()) return 'a directory';
  return file.isFile() ? 'a file' : 'a device or a pipe';
}

/** The names in a path. Leaves out `.` and repeated slashes. */
export function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

/** The owner, and the option that trusts that user. */
export function belongsTo(userId: number): string {
  return `belongs to user ${userId}: ${allowUser(userId)}`;
}

export function allowUser(userId: number): string {
  return `if you trust that user, allow it with trust: { userIds: [${userId}] }`;
}
