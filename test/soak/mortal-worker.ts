/**
 * A wait thread that dies when a file tells it to, with a command taken or with outcomes that
 * the driver has not read.
 */
import { existsSync, rmSync } from 'node:fs';
import { receiveMessageOnPort } from 'node:worker_threads';
import type { ThreadTask } from '../../src/negotiation/wait-thread/thread-protocol.js';
import negotiate from '../../workers/negotiator.js';

/** The variable that names the file; worker threads copy the environment when they start. */
export const DEATH_FILE_VARIABLE = 'BROKER_POOL_SOAK_DEATH_FILE';

export default function negotiateUntilDeath(task: ThreadTask): void {
  dieIfTold(() => receiveMessageOnPort(task.port));
  const post = task.port.postMessage.bind(task.port);
  task.port.postMessage = (message: unknown): void => {
    dieIfTold(() => {});
    post(message);
  };
  negotiate(task);
}

function dieIfTold(lastAct: () => void): void {
  const file = process.env[DEATH_FILE_VARIABLE] ?? '';
  if (!existsSync(file)) return;
  rmSync(file, { force: true });
  lastAct();
  process.exit(7);
}
