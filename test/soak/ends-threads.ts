/**
 * Preloaded with `--import`: every worker thread of the process ends before it is ready, without an error.
 */
import { isMainThread } from 'node:worker_threads';

if (!isMainThread) process.exit(3);
