import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { invalidArgument } from '../../errors.js';
import { ANY_OTHER } from '../../os/trusted-file.js';
import { checkAbsolutePath } from '../../validation.js';

/** The variable by which brokers find definitions in another directory. */
export const DIRECTORY_VARIABLE = 'RUNNING_PROCESS_SERVICE_DEF_DIR';
const CONFIGURATION = 'XDG_CONFIG_HOME';

/**
 * Where this user's brokers look for definitions.
 *
 * @throws `INVALID_ARGUMENT` for a variable that is no absolute path
 */
export function definitionDirectory(env: Readonly<Record<string, string | undefined>> = process.env): string {
  // D-21; an empty variable of the broker's counts as unset.
  const own = env[DIRECTORY_VARIABLE];
  if (own !== undefined && own !== '')
    return checkAbsolutePath(`the environment variable ${DIRECTORY_VARIABLE}`, own);
  const below = join('running-process', 'services');
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Application Support', below);
  const configuration = env[CONFIGURATION];
  // The broker takes a relative one, the empty one included, as it stands: it leads elsewhere after each chdir.
  return configuration === undefined
    ? join(homedir(), '.config', below)
    : join(checkAbsolutePath(`the environment variable ${CONFIGURATION}`, configuration), below);
}

/**
 * Makes the directory of definitions, mode 0700. Another mode of one that exists is left as it is.
 *
 * @throws `INVALID_ARGUMENT` for a directory that brokers refuse; the system's error
 */
export function makePrivateDirectory(name: string, directory: string): void {
  if (mkdirSync(directory, { recursive: true, mode: 0o700 }) !== undefined) chmodSync(directory, 0o700);
  const { mode } = lstatSync(directory);
  // D-03: a broker reads no definitions from a directory that others may enter.
  if ((mode & ANY_OTHER) === 0) return;
  const octal = (mode & 0o777).toString(8);
  throw invalidArgument(name, `has mode ${octal}, and brokers want 700: chmod 700 ${directory}`);
}
