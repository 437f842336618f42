import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { runCommandLine } from '../../src/cli/run.js';

/** The entry of `broker-pool`. */
export const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/** How a command ended and what it printed. */
export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The surroundings of a command. */
export interface Surroundings {
  /** @default empty */
  readonly stdin?: Readable | string | Uint8Array;
  /** @default never aborted */
  readonly signal?: AbortSignal;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Whether both outputs are terminals. @default false */
  readonly isTTY?: boolean;
}

/** A command that runs. */
export interface RunningCommand {
  readonly stdout: PassThrough;
  readonly stderr: PassThrough;
  readonly ended: Promise<CommandResult>;
}

/** Starts a command in this process. */
export function start(words: readonly string[], surroundings: Surroundings = {}): RunningCommand {
  const { stdin = '', signal = new AbortController().signal, env = {}, isTTY = false } = surroundings;
  const stdout = Object.assign(new PassThrough(), { isTTY });
  const stderr = Object.assign(new PassThrough(), { isTTY });
  const input =
    stdin instanceof Readable ? stdin : Readable.from([Buffer.from(stdin)], { objectMode: false });
  const code = runCommandLine(words, { stdin: input, stdout, stderr, env, signal }).finally(() => {
    stdout.end();
    stderr.end();
  });
  const ended = Promise.all([code, text(stdout), text(stderr)]).then(([exitCode, output, errors]) => ({
    exitCode,
    stdout: output,
    stderr: errors,
  }));
  return { stdout, stderr, ended };
}

/** Runs a command in this process to its end. */
export function run(...words: string[]): Promise<CommandResult> {
  return start(words).ended;
}

/** {@link run} with surroundings of its own. */
export function runIn(surroundings: Surroundings, ...words: string[]): Promise<CommandResult> {
  return start(words, surroundings).ended;
}
