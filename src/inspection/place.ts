import { lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import type { Environment } from '../broker-options/environment.js';
import { isRefused } from '../os/is-refused.js';
import { isAlive } from '../os/process-alive.js';
import { ANY_OTHER, kindOf, look } from '../os/trusted-file.js';

const PRIVATE = 0o700;
/** `<process id>-<8 hex digits>.sock`: a process may publish several times, from several threads. */
const NAME = /^(\d{1,10})-[0-9a-f]{8}\.sock$/;

/** A socket at which a process publishes its pools. */
export interface PublishedSocket {
  readonly pid: number;
  readonly path: string;
}

/** Where this user's processes publish their pools. */
export function inspectionDirectory(env: Environment = process.env): string {
  const runtime = env['XDG_RUNTIME_DIR'];
  if (process.platform === 'linux' && runtime !== undefined && isAbsolute(runtime))
    return join(runtime, 'broker-pool');
  return join(tmpdir(), `broker-pool-${process.geteuid?.() ?? 0}`);
}

/** The name of a socket of this process. */
export function socketName(pid: number, random: () => number = Math.random): string {
  const suffix = Math.floor(random() * 2 ** 32)
    .toString(16)
    .padStart(8, '0');
  return `${pid}-${suffix}.sock`;
}

/**
 * Makes the directory where it is missing.
 *
 * @throws the system's error
 */
export function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { mode: PRIVATE });
  } catch (error) {
    if (look(directory) === undefined) throw error;
  }
}

/**
 * Why other users may have a hand in the directory, or `undefined`. Another user's directory of that name shows
 * made-up pools, or reads those of this user.
 */
export function directoryProblem(directory: string): string | undefined {
  const stats = lstatSync(directory);
  if (!stats.isDirectory()) return `is no directory but ${kindOf(stats)}`;
  if (stats.uid !== process.geteuid?.()) return `belongs to user ${stats.uid}`;
  const mode = (stats.mode & 0o777).toString(8);
  return (stats.mode & ANY_OTHER) === 0 ? undefined : `has mode ${mode}: chmod 700 ${directory}`;
}

/** The sockets in the directory, in the order of their processes. Processes that have ended may have left some. */
export function socketsIn(directory: string): PublishedSocket[] {
  return namesIn(directory)
    .flatMap((name) => {
      const [, pid] = NAME.exec(name) ?? [];
      return pid === undefined ? [] : [{ pid: Number(pid), path: join(directory, name) }];
    })
    .toSorted((one, other) => one.pid - other.pid || (one.path < other.path ? -1 : 1));
}

/**
 * Removes sockets that no process serves and whose process has ended. One or the other is not enough: a process of a
 * container has another id there, and a publisher that is about to listen refuses a dial.
 *
 * @throws the system's error
 */
export async function removeLeftSockets(sockets: readonly PublishedSocket[]): Promise<void> {
  const left = sockets.filter(({ pid }) => !isAlive(pid));
  await Promise.all(
    left.map(async ({ path }) => {
      if (await isRefused(path)) rmSync(path, { force: true });
    }),
  );
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
