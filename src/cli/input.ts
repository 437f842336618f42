import { fstatSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { CommandFailure } from './command.js';
import { ExitCode } from './exit-codes.js';

/**
 * The input of the process.
 *
 * @throws {CommandFailure} for a directory, which Node takes for an empty input
 */
export function openInput(): Readable {
  if (fstatSync(process.stdin.fd).isDirectory())
    throw new CommandFailure(
      'cannot read the input: it is a directory; give a file or a pipe',
      ExitCode.FAILED,
    );
  return process.stdin;
}
