import { lstatSync, type Stats } from 'node:fs';

/**
 * Never follows a link: where it leads can be changed between the look and the dial. What cannot be looked at
 * cannot be dialled.
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
