import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { scaled } from '../helpers/patience.js';

/** The entry of `broker-pool`. */
export const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const LIMIT_MS = scaled(30_000);

/** How a command ended and what it printed. */
export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `broker-pool` as a process. */
export function run(...parameters: string[]): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [MAIN, ...parameters], { timeout: LIMIT_MS }, (error, stdout, stderr) => {
      if (error === null) return resolve({ exitCode: 0, stdout, stderr });
      if (typeof error.code === 'number') return resolve({ exitCode: error.code, stdout, stderr });
      reject(error);
    });
  });
}
