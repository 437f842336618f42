import { accessSync, closeSync, constants, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { sep } from 'node:path';
import { invalidArgument } from '../../errors.js';

/** The first four bytes of executables: ELF; Mach-O of 64 bits in both orders, and for several processors. */
const IMAGES: ReadonlySet<string> = new Set(['7f454c46', 'cffaedfe', 'feedfacf', 'cafebabe']);
const SCRIPT = '2321';

/**
 * The real path of an executable that a broker can launch.
 *
 * @throws `INVALID_ARGUMENT` that says why it cannot
 */
export function checkBinary(name: string, path: string): string {
  const real = onlyReal(name, path);
  if (!statSync(real).isFile()) throw invalidArgument(name, `is no file: ${real}`);
  try {
    accessSync(real, constants.X_OK);
  } catch (cause) {
    throw invalidArgument(name, `cannot be executed: chmod +x ${real}`, cause);
  }
  const start = firstBytes(real);
  // L-08, D-24: for a script the system reports the interpreter, which is not the executable that the broker launched.
  if (start.startsWith(SCRIPT))
    throw invalidArgument(
      name,
      `is a script, which no broker can launch: make a single executable of it: ${real}`,
    );
  if (!IMAGES.has(start)) throw invalidArgument(name, `is no executable of this system: ${real}`);
  return real;
}

/**
 * The real path of the directory in which an executable lies.
 *
 * @throws `INVALID_ARGUMENT` for a directory in which it does not lie
 */
export function checkBinaryDirectory(name: string, directory: string, binary: string): string {
  const real = onlyReal(name, directory);
  // L-02, D-20: a broker launches no executable from outside the directory that the definition names.
  if (binary.startsWith(real.endsWith(sep) ? real : real + sep)) return real;
  throw invalidArgument(name, `does not contain ${binary}: ${real}`);
}

function onlyReal(name: string, path: string): string {
  try {
    return realpathSync(path);
  } catch (cause) {
    throw invalidArgument(name, `leads nowhere: ${path}`, cause);
  }
}

function firstBytes(path: string): string {
  const descriptor = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(4);
    readSync(descriptor, bytes, 0, bytes.length, 0);
    return bytes.toString('hex');
  } finally {
    closeSync(descriptor);
  }
}
