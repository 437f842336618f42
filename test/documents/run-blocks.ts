/**
 * Runs programs of the documents one after the other, each in surroundings of its own, then ends:
 * `node run-blocks.js program.js …`. Their directories are below `XDG_RUNTIME_DIR`. Prints a line of JSON for each program that has ended.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { surround } from './surroundings.js';

/** The output of a program until its end. */
export interface Ended {
  readonly program: string;
  readonly stdout: string;
  readonly stderr: string;
}

const print = process.stdout.write.bind(process.stdout);
let written = { stdout: '', stderr: '' };
for (const name of ['stdout', 'stderr'] as const)
  process[name].write = (chunk: string | Uint8Array): boolean => {
    written[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
    return true;
  };

const directory = process.env['XDG_RUNTIME_DIR'] ?? '';

for (const [index, program] of process.argv.slice(2).entries()) {
  const own = join(directory, String(index));
  mkdirSync(own, { mode: 0o700 });
  process.env['XDG_RUNTIME_DIR'] = own;
  await surround();
  written = { stdout: '', stderr: '' };
  await import(pathToFileURL(program).href);
  const ended: Ended = { program, ...written };
  print(`${JSON.stringify(ended)}\n`);
}
// Ends all that the programs leave open.
process.exit();
