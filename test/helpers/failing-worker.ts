/**
 * A wait thread that is of no use in one of many ways, which a variable names; worker threads copy the
 * environment when they start.
 */
import { existsSync, readFileSync } from 'node:fs';
import { receiveMessageOnPort } from 'node:worker_threads';
import type { ThreadTask } from '../../src/negotiation/wait-thread/thread-protocol.js';
import { loadNative } from '../../src/os/native.js';
import negotiate from '../../workers/negotiator.js';

/**
 * One of {@link THREAD_FAULTS}, or the path of a file: while it exists a run does nothing, in JavaScript if it
 * is empty, else in a system call.
 */
export const THREAD_FAULT_VARIABLE = 'BROKER_POOL_TEST_THREAD_FAULT';

/** The thread's failure while it loads, so that it never becomes ready; `fails`: when it is given a run. */
export const THREAD_FAULTS = ['exits', 'throws', 'loops', 'sleeps', 'fails'] as const;

/** How long a system call of the thread lasts: longer than `close` may wait. */
export const BLOCKED_MS = 4_000;

const fault = process.env[THREAD_FAULT_VARIABLE];

if (fault === 'exits') process.exit(3);
if (fault === 'throws') throw new Error('as a module may throw that is loaded into each thread');
if (fault === 'loops') for (;;) sleep();
if (fault === 'sleeps') await new Promise(() => {});

export default function failOrNegotiate(task: ThreadTask): void {
  if (fault === 'fails') throw new Error('as the C library may be out of reach');
  if (fault === undefined || !existsSync(fault)) return negotiate(task);
  task.port.postMessage([]);
  if (readFileSync(fault, 'utf8') === '') hang(task);
  else block();
}

/** Takes jobs and does nothing about them, in JavaScript, so that the thread can be terminated. */
function hang({ port }: ThreadTask): void {
  for (;;) {
    receiveMessageOnPort(port);
    sleep();
  }
}

/** For loops in JavaScript that leave the processor to others. */
function sleep(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
}

/** Stays in a system call, where the thread cannot be terminated. */
function block(): void {
  loadNative()?.polling.poll(new Uint8Array(8), 0, BLOCKED_MS);
}
