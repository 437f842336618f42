import type { MessagePort } from 'node:worker_threads';
import type { Failure } from '../errors.js';
import type { PollerHandles } from '../os/watch.js';
import type { AdminReply, Negotiated } from '../wire/messages.js';
import type { Job, Route } from './job.js';

/** What the wait thread is started with. */
export interface WaitTask {
  /** Commands come in here; outcomes go out, an array for each turn of the loop. */
  readonly port: MessagePort;
  readonly handles: PollerHandles;
  /** Shared memory, see {@link SharedWaitState}. */
  readonly shared: SharedArrayBuffer;
  /** How long a loop that holds nothing stays before it returns, so that it neither ends between two jobs nor keeps a process alive. */
  readonly lingerMs: number;
}

/** Take over a job. `slot` names it and its place in the descriptor ledger. */
export interface StartCommand {
  readonly kind: 'start';
  readonly slot: number;
  readonly job: Job;
  /** A broker connection on which the main thread has begun to send the request; -1: dial, and send. */
  readonly descriptor: number;
  /** How many bytes of the request the system has taken. */
  readonly sent: number;
  /** The main thread has put the descriptor on watch already. */
  readonly watched: boolean;
}

/** From the main thread to the wait thread. `release`: the job's owner lost interest, hand everything back. */
export type WaitCommand = StartCommand | { readonly kind: 'release'; readonly slot: number };

/** From the wait thread to the main thread; a `descriptor` passes into the ownership of the main thread. */
export type WaitOutcome = { readonly slot: number } & (
  | {
      readonly kind: 'connected';
      readonly descriptor: number;
      readonly endpoint: string;
      readonly route: Route;
      readonly negotiated: Negotiated;
      readonly residue: Uint8Array | undefined;
    }
  | { readonly kind: 'answered'; readonly reply: AdminReply }
  | {
      readonly kind: 'failed';
      readonly failure: Failure;
      /** A broker connection whose reply is still owed: read it to its end before closing. */
      readonly owedReply: number | undefined;
    }
);

const FOR_EVER = 2n ** 62n;

/** Jobs that one wait thread holds at most; more wait on the main thread. */
export const SLOT_COUNT = 16_384;

const STOP_INDEX = 2;
const FIRST_SLOT_INDEX = 3;

/**
 * The memory both threads see: until when the wait thread sleeps, a stop flag, and the ledger of the descriptors that the wait thread
 * owns, one word a slot. A thread that crashes leaves its descriptors open; the ledger tells the main thread which.
 *
 * Layout, 32-bit words: [0] and [1] together the end of the sleep in whole milliseconds of the monotonic clock, 0 while awake; [2] the
 * stop flag; [3 + slot] 0 for "none", else `(descriptor + 1) * 2`, plus 1 while a broker's reply is owed on it.
 */
export class SharedWaitState {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #sleepUntilMs: BigInt64Array;

  constructor(buffer = new SharedArrayBuffer((FIRST_SLOT_INDEX + SLOT_COUNT) * Int32Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
    this.#sleepUntilMs = new BigInt64Array(buffer, 0, 1);
  }

  /**
   * The wait thread says until when it will sleep; it must look for commands once more before it does. A sender that
   * then sees no announcement, or one that is early enough, can rely on that look.
   */
  announceSleep(untilMs: number): void {
    Atomics.store(this.#sleepUntilMs, 0, untilMs === Infinity ? FOR_EVER : BigInt(Math.ceil(untilMs)));
  }

  announceAwake(): void {
    Atomics.store(this.#sleepUntilMs, 0, 0n);
  }

  /** Whether a thread that is due by `dueMs` would oversleep. Ask after the command is sent. */
  sleepsPast(dueMs: number): boolean {
    return Number(Atomics.load(this.#sleepUntilMs, 0)) > Math.ceil(dueMs);
  }

  requestStop(): void {
    Atomics.store(this.#words, STOP_INDEX, 1);
  }

  get stopRequested(): boolean {
    return Atomics.load(this.#words, STOP_INDEX) !== 0;
  }

  /** Records that the wait thread owns `descriptor` for the job in `slot`. */
  own(slot: number, descriptor: number, replyOwed: boolean): void {
    Atomics.store(this.#words, FIRST_SLOT_INDEX + slot, (descriptor + 1) * 2 + (replyOwed ? 1 : 0));
  }

  /** Records that the slot owns nothing any more. */
  disown(slot: number): void {
    Atomics.store(this.#words, FIRST_SLOT_INDEX + slot, 0);
  }

  /** Takes what a crashed thread left in a slot. */
  takeOver(slot: number): { descriptor: number; replyOwed: boolean } | undefined {
    const word = Atomics.exchange(this.#words, FIRST_SLOT_INDEX + slot, 0);
    return word === 0 ? undefined : { descriptor: (word >> 1) - 1, replyOwed: (word & 1) === 1 };
  }
}
