/** Runs ava by a Node of another platform. */
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ROOT } from './foreign-package.js';

const AVA = 'node_modules/ava/entrypoints/cli.mjs';
const FOLLOW_MS = 500;
const PIECE_BYTES = 65_536;

export interface AvaRun {
  /** What starts Node, and the parameters before those of ava. */
  readonly command: readonly [string, ...string[]];
  readonly env: NodeJS.ProcessEnv;
  /** A configuration of ava, in the root of the repository. */
  readonly config: string;
  /**
   * Files or folders below `test`; all that the configuration names where there are none. Options go to ava, such as
   * `--match='*seed*'`.
   */
  readonly args: readonly string[];
  /** The run is given up then. @default never */
  readonly limitMs?: number;
}

/**
 * Resolves to the exit code, 1 for a run that is given up: at its limit, by SIGINT or by SIGTERM. Prints what ava
 * prints, half a second later.
 */
export async function runAva({ command, env, config, args, limitMs }: AvaRun): Promise<number> {
  const [program, ...parameters] = command;
  const folder = mkdtempSync(join(tmpdir(), 'bp-platform-'));
  // Node for Windows cannot write to a pipe of Unix that Wine hands it.
  const log = openSync(join(folder, 'log'), 'w+');
  try {
    const child = spawn(program, [...parameters, AVA, '--config', config, ...args.map(compiled)], {
      cwd: ROOT,
      env: { ...env, BROKER_POOL_TEST_NAMES: args.some((arg) => !arg.startsWith('-')) ? '1' : '0' },
      stdio: ['ignore', log, log],
    });
    const ended = new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => resolve(code ?? 1));
    });
    const giveUp = (reason: string): void => {
      process.stderr.write(`given up: ${reason}\n`);
      child.kill();
    };
    process.once('SIGINT', giveUp).once('SIGTERM', giveUp);
    const limit =
      limitMs === undefined ? undefined : setTimeout(giveUp, limitMs, `not done after ${limitMs / 1_000} s`);
    void ended.finally(() => clearTimeout(limit)).catch(() => {});
    let offset = 0;
    let exitCode: number | undefined;
    while (exitCode === undefined) {
      exitCode = await Promise.race([ended, delay(FOLLOW_MS, undefined)]);
      offset = print(log, offset);
    }
    return exitCode;
  } finally {
    closeSync(log);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Prints the log from `offset` on; returns where it ends. */
function print(log: number, offset: number): number {
  const bytes = Buffer.alloc(PIECE_BYTES);
  for (;;) {
    const length = readSync(log, bytes, 0, bytes.length, offset);
    if (length === 0) return offset;
    process.stdout.write(bytes.subarray(0, length));
    offset += length;
  }
}

/** `test/pool/lease.test.ts` and `test/pool` as ava knows them. */
function compiled(source: string): string {
  if (source.startsWith('-')) return source;
  const path = `dist/${source.replace(/\/$/, '')}`;
  return path.endsWith('.ts') ? path.replace(/\.ts$/, '.js') : `${path}/**/*.test.js`;
}
