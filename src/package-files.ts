import { existsSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** This module where it is not part of a bundle. */
const OWN_NAME = 'package-files';

/**
 * The file that holds this code: a module of the package, or the bundle that it was put in.
 *
 * Bundles in CommonJS have `__filename`, while their `import.meta.url` is missing. It is read without
 * `typeof`, because webpack answers that at build time, for modules too. Under `node --eval` there is a
 * global `__filename` that is no path. In modules of webpack `import.meta.url` is a file of the machine that
 * built them; elsewhere, the program itself is the next best guess.
 */
function findRunningFile(): string {
  try {
    if (isAbsolute(__filename)) return __filename;
  } catch {
    // A ReferenceError: this is a module.
  }
  const file = fileURLToPath(import.meta.url);
  return existsSync(file) ? file : resolve(process.argv[1] ?? '');
}

const RUNNING_FILE = findRunningFile();

/**
 * Requires a package at run time, as seen from the file that holds this code. Bundlers do not follow it. An
 * imported name `createRequire` would be followed: webpack puts `undefined` in place of the call.
 */
export const requirePackage: NodeJS.Require = nodeModule.createRequire(RUNNING_FILE);

/**
 * The path of a file of the package that is run rather than imported, `undefined` where it cannot be found:
 * bundles do not contain it.
 *
 * @param path from the folder in which `src` and `workers` lie side by side
 */
export function packageFile(path: string): string | undefined {
  if (basename(RUNNING_FILE).split('.', 1)[0] !== OWN_NAME) return undefined;
  const file = join(dirname(RUNNING_FILE), '..', path);
  return existsSync(file) ? file : undefined;
}
