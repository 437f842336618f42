import { printable, textOf } from '../../errors.js';
import { readSnapshot } from '../../inspection/read-snapshot.js';
import { directoryProblem, removeLeftSockets, socketsIn } from '../../inspection/place.js';
import type { Snapshot } from '../../inspection/snapshot.js';
import { isNoListener } from '../../os/is-refused.js';
import { look } from '../../os/trusted-file.js';

/** A process that publishes pools, from one thread or several. */
export interface PublishingProcess {
  readonly pid: number;
  readonly snapshots: readonly [Snapshot, ...Snapshot[]];
}

/** The processes, and why others could not be read. */
export interface Published {
  readonly processes: readonly PublishingProcess[];
  readonly problems: readonly string[];
}

/**
 * Reads all publishers in a directory, or those of one process. Those of processes that were killed are removed.
 *
 * @throws an `Error` for a directory in which other users may have a hand
 */
export async function readPublished(directory: string, pid?: number): Promise<Published> {
  if (look(directory) === undefined) return { processes: [], problems: [] };
  const problem = directoryProblem(directory);
  if (problem !== undefined) throw new Error(`${printable(directory)} ${problem}`);
  const sockets = socketsIn(directory).filter((socket) => pid === undefined || socket.pid === pid);
  // The failure is ignored: a socket that cannot be removed cannot be read either.
  await removeLeftSockets(sockets).catch(() => {});
  const processes = new Map<number, [Snapshot, ...Snapshot[]]>();
  const problems: string[] = [];
  const read = await Promise.allSettled(sockets.map(({ path }) => readSnapshot(path)));
  for (const [index, outcome] of read.entries()) {
    const id = sockets[index]?.pid ?? 0;
    if (outcome.status === 'fulfilled') {
      const known = processes.get(id);
      if (known === undefined) processes.set(id, [outcome.value]);
      else known.push(outcome.value);
    } else if (!isNoListener(outcome.reason)) {
      problems.push(`process ${id} cannot be read: ${printable(textOf(outcome.reason))}`);
    }
  }
  return { processes: Array.from(processes, ([id, snapshots]) => ({ pid: id, snapshots })), problems };
}
