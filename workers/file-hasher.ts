import { parentPort, workerData } from 'node:worker_threads';
import { hashHere } from '../src/identity/blake3.js';
import type { HashTask } from '../src/identity/file-hash.js';

/** The worker entry that hashes one file, and ends. */
const { path }: HashTask = workerData;
parentPort?.postMessage(await hashHere(path));
