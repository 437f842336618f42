import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { sendAdminRequest } from '../../client/admin.js';
import { connectToBackend } from '../../client/connect.js';
import { systemClock } from '../../clock.js';
import { EventLoopDriver } from '../../negotiation/event-loop/event-loop-driver.js';
import { WorkerDriver } from '../../negotiation/wait-thread/worker-driver.js';
import { loadNative, nativeProblem } from '../../os/native.js';
import { ringProblem } from '../../os/ring-problem.js';
import type { Host } from './examination.js';
import { textOf } from '../../errors.js';

/** The process must not end while the thread starts. */
const LONGEST_START_MS = 10_000;
/** The flag of `/proc/net/unix` for a socket that listens. */
const LISTENS = 0x10000;

/** The process and the system that this code runs on. */
export const realHost: Host = {
  nodeVersion: process.version,
  sendAdminRequest,
  connectToBackend,
  ffiProblem: nativeProblem,
  ringProblem: () => {
    const native = loadNative();
    return native && ringProblem(native);
  },
  threadProblem: () => threadProblem(),
  descriptors: () => readDescriptors('/proc/self'),
  listeningNames: () => readListeningNames('/proc/net/unix'),
};

/** @param workerUrl another file than that of the package, for tests */
export async function threadProblem(workerUrl?: string): Promise<string | undefined> {
  const native = loadNative();
  if (native === undefined) return 'the C library cannot be reached';
  const fallback = new EventLoopDriver(systemClock, native, true);
  let problem: string | undefined;
  try {
    const driver = new WorkerDriver(native, {
      fallback,
      workerUrl,
      onFailed: (reason) => (problem = reason),
    });
    // The driver's own limit is shorter. Node may abort where a thread that still loads its modules is terminated.
    await driver.warm(LONGEST_START_MS);
    await driver.close();
    return problem;
  } catch (error) {
    // No descriptors, or no shared memory.
    return textOf(error);
  }
}

/** @param folder as `/proc/self` */
export function readDescriptors(folder: string): { limit: number; open: number } | undefined {
  try {
    const [, soft = ''] = /^Max open files +(\S+)/m.exec(readFileSync(`${folder}/limits`, 'utf8')) ?? [];
    const limit = soft === 'unlimited' ? Infinity : Number(soft);
    return { limit, open: readdirSync(`${folder}/fd`).length };
  } catch {
    // macOS and Windows have no such files.
    return undefined;
  }
}

/** @param file as `/proc/net/unix`: number, references, protocol, flags, type, state, inode, path */
export function readListeningNames(file: string): ReadonlySet<string> | undefined {
  try {
    const names = new Set<string>();
    for (const line of readFileSync(file, 'utf8').split('\n').slice(1)) {
      const [, flags = '', path] = /^\S+ \S+ \S+ (\S+) \S+ \S+ +\S+ (.+)$/.exec(line) ?? [];
      if (path !== undefined && (Number.parseInt(flags, 16) & LISTENS) !== 0) names.add(posix.basename(path));
    }
    return names;
  } catch {
    return undefined;
  }
}
