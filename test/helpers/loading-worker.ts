/**
 * A wait thread that takes long to load the C library. It notes when it begins, and when it was left alone
 * until the end.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { SharedThreadState, type ThreadTask } from '../../src/negotiation/wait-thread/thread-protocol.js';
import { loadNative } from '../../src/os/native.js';
import { attachPoller } from '../../src/os/poller.js';
import { runThreadLoop } from './thread-loop.js';

/** The variable that names a directory for the notes; worker threads copy the environment when they start. */
export const NOTES_VARIABLE = 'BROKER_POOL_TEST_LOADING_NOTES';
export const BEGINS = 'begins';
export const ENDS = 'ends';
/** While a file of this name is there, the thread goes on loading. */
export const GOES_ON = 'goes-on';
const LOADING_MS = 500;
const POLL_MS = 5;

export default function loadSlowlyAndNegotiate(task: ThreadTask): void {
  const directory = process.env[NOTES_VARIABLE] ?? '';
  const native = new SharedThreadState(task.shared).load(() => {
    writeFileSync(`${directory}/${BEGINS}`, '');
    sleep(LOADING_MS);
    while (existsSync(`${directory}/${GOES_ON}`)) sleep(POLL_MS);
    writeFileSync(`${directory}/${ENDS}`, '');
    return loadNative();
  });
  if (native === undefined) return task.port.close();
  runThreadLoop(task, native.system, attachPoller(native.polling, task.handles));
}

/** A thread that waits like this can be terminated. */
function sleep(durationMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs);
}
