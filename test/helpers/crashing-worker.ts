/** A wait thread that dies when a file tells it to, with a command taken and its job's descriptor open. */
import { existsSync, rmSync } from 'node:fs';
import { receiveMessageOnPort } from 'node:worker_threads';
import type { ThreadTask } from '../../src/negotiation/wait-thread/thread-protocol.js';
import negotiate from '../../workers/negotiator.js';

/** The variable that names the file; worker threads copy the environment when they start. */
export const CRASH_FILE_VARIABLE = 'BROKER_POOL_TEST_CRASH_FILE';

export default function crashOrNegotiate(task: ThreadTask): void {
  const file = process.env[CRASH_FILE_VARIABLE] ?? '';
  if (!existsSync(file)) return negotiate(task);
  if (file.endsWith('.once')) rmSync(file);
  receiveMessageOnPort(task.port);
  process.exit(7);
}
