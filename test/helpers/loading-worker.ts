/**
 * A wait thread that takes long to load the C library. It notes when it begins, and when it was left alone
 * until the end.
 */
import { writeFileSync } from 'node:fs';
import { SharedThreadState, type ThreadTask } from '../../src/negotiation/wait-thread/thread-protocol.js';
import negotiate from '../../workers/negotiator.js';

/** The variable that names a directory for the notes; worker threads copy the environment when they start. */
export const NOTES_VARIABLE = 'BROKER_POOL_TEST_LOADING_NOTES';
export const BEGINS = 'begins';
export const ENDS = 'ends';
const LOADING_MS = 500;

export default function loadSlowlyAndNegotiate(task: ThreadTask): void {
  const directory = process.env[NOTES_VARIABLE] ?? '';
  new SharedThreadState(task.shared).load(() => {
    writeFileSync(`${directory}/${BEGINS}`, '');
    // A thread that waits like this can be terminated.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOADING_MS);
    writeFileSync(`${directory}/${ENDS}`, '');
  });
  negotiate(task);
}
