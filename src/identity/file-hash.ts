import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { hasFreeDescriptors } from '../os/native.js';
import { packageFile } from '../package-files.js';
import { hashHere } from './blake3.js';

/** `undefined` in a bundle, and so in a single executable. */
const WORKER_FILE = packageFile('workers/file-hasher.js');
/** A thread has five, needs one or two more while it loads its files, and one for the file. */
const THREAD_DESCRIPTORS = 9;

/** The task of the thread. */
export interface HashTask {
  readonly path: string;
}

/**
 * The BLAKE3 of a file: 32 bytes. Computed on a thread of its own; where none can start, on this one, about a
 * millisecond at a time. Rejects with the system's error.
 *
 * @param workerFile another file than that of the package, for tests
 */
export async function hashFile(path: string, workerFile = WORKER_FILE): Promise<Uint8Array> {
  return (workerFile && (await hashOnThread(path, workerFile))) || (await hashHere(path));
}

/** `undefined` where the thread fails for any reason: the caller then hashes on this thread, whose error tells it. */
function hashOnThread(path: string, workerFile: string): Promise<Uint8Array | undefined> {
  return new Promise((resolve) => {
    if (!hasFreeDescriptors(THREAD_DESCRIPTORS)) return resolve(undefined);
    try {
      const workerData: HashTask = { path };
      // The thread gets none of the program's options, which may load more files.
      const worker = new Worker(pathToFileURL(workerFile), { workerData, execArgv: [] });
      worker
        .on('message', (hash: Uint8Array) => resolve(hash))
        .on('error', () => resolve(undefined))
        .on('exit', () => resolve(undefined));
    } catch {
      resolve(undefined);
    }
  });
}
