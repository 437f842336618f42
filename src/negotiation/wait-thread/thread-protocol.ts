import type { MessagePort } from 'node:worker_threads';
import type { Failure } from '../../errors.js';
import type { PollerHandles } from '../../os/poller-kinds.js';
import type { FrameProgress } from '../../wire/frame.js';
import type { AdminReply, Negotiated } from '../../wire/messages.js';
import type { Job, Route } from '../job.js';

/** The task of one session of the wait thread. */
export interface ThreadTask {
  /** Commands come in here; outcomes go out, an array for each turn of the loop. */
  readonly port: MessagePort;
  readonly handles: PollerHandles;
  /** Shared memory, see {@link SharedThreadState}. */
  readonly shared: SharedArrayBuffer;
  /**
   * How long a loop without jobs stays before it returns, so that it neither ends between two jobs nor keeps
   * a process alive.
   */
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

/**
 * From the main thread to the wait thread. `release`: the caller has given the job up, hand it back.
 */
export type ThreadCommand = StartCommand | { readonly kind: 'release'; readonly slot: number };

/**
 * A broker connection whose reply is not in. The rest of the request must be sent, and the reply be read to
 * its end, before the connection is closed.
 */
export interface UnreadReply {
  readonly descriptor: number;
  /** How many bytes of the request the system has taken. */
  readonly sent: number;
  /** How much has been read of the reply; `'unknown'` once the thread that read it is dead. */
  readonly progress: FrameProgress | 'unknown';
}

/** A connection on its way to the main thread. */
export interface ThreadConnection {
  readonly kind: 'connected';
  readonly descriptor: number;
  readonly endpoint: string;
  readonly route: Route;
  readonly negotiated: Negotiated;
  readonly residue: Uint8Array | undefined;
}

/** From the wait thread to the main thread, which owns the `descriptor` from then on. */
export type ThreadOutcome = { readonly slot: number } & (
  | ThreadConnection
  | { readonly kind: 'answered'; readonly reply: AdminReply }
  | { readonly kind: 'failed'; readonly failure: Failure; readonly unreadReply: UnreadReply | undefined }
);

/** The poll loop's side of the port between the two threads. */
export interface CommandPort {
  /** The next command, or `undefined` when there is none; never waits. */
  take(): ThreadCommand | undefined;
  /** Hands over the outcomes of one turn. */
  post(outcomes: ThreadOutcome[]): void;
}

/** The obligation to meet before a connection in the ledger may be closed. */
export const CloseObligation = {
  /** No obligation: the peer is a backend, or the reply is in. */
  NONE: 0,
  /** The broker, if the connect has come through, may not have the whole request. */
  SEND_REQUEST: 1,
  /** The request is sent, and nothing of the reply has been read. */
  READ_REPLY: 2,
  /** The same, but some of it may have been read. */
  READ_REST: 3,
} as const;
export type CloseObligation = (typeof CloseObligation)[keyof typeof CloseObligation];

/** The descriptors that a dead thread had open for a job. */
export interface OrphanedSocket {
  readonly descriptor: number;
  readonly obligation: CloseObligation;
}

const OBLIGATIONS: readonly CloseObligation[] = [
  CloseObligation.NONE,
  CloseObligation.SEND_REQUEST,
  CloseObligation.READ_REPLY,
  CloseObligation.READ_REST,
];

/**
 * The memory of the tokens in outcomes, for the transfer list of a message: no copy of a token stays in this
 * thread. `undefined` without tokens: an empty list slows each message down.
 */
export function tokenMemory(outcomes: readonly ThreadOutcome[]): ArrayBuffer[] | undefined {
  let tokens: ArrayBuffer[] | undefined;
  for (const outcome of outcomes) {
    if (outcome.kind !== 'connected') continue;
    const { buffer } = outcome.negotiated.handlePassedToken;
    if (buffer instanceof ArrayBuffer && buffer.byteLength > 0) (tokens ??= []).push(buffer);
  }
  return tokens;
}

const FOR_EVER = 2n ** 62n;

/** Jobs that one wait thread holds at most; more wait on the main thread. */
export const SLOT_COUNT = 16_384;

const STOP_INDEX = 2;
const LOADING_INDEX = 3;
/** Loading states of the wait thread. It must not be terminated in the last two. */
const Loading = { NOTHING: 0, STARTING: 1, LIBRARY: 2 } as const;
const FIRST_SLOT_INDEX = 4;

/**
 * The memory that both threads see: until when the wait thread sleeps, a stop flag, the loading state, and
 * the ledger of the descriptors that the wait thread owns, one word a slot. A thread that crashes leaves its
 * descriptors open; the ledger tells the main thread which.
 *
 * Layout, 32-bit words: [0] and [1] together the end of the sleep in whole milliseconds of the monotonic
 * clock, 0 while awake; [2] the stop flag; [3] what it loads; [4 + slot] 0 for "none", else `(descriptor +
 * 1) * 4` plus the {@link CloseObligation}.
 */
export class SharedThreadState {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #sleepUntilMs: BigInt64Array;

  constructor(
    buffer = new SharedArrayBuffer((FIRST_SLOT_INDEX + SLOT_COUNT) * Int32Array.BYTES_PER_ELEMENT),
  ) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
    this.#sleepUntilMs = new BigInt64Array(buffer, 0, 1);
  }

  /**
   * The wait thread says until when it will sleep; it must look for commands once more before it does. A
   * sender that then sees no announcement, or one that is early enough, can rely on that look.
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

  /**
   * Main thread: a thread is being started. Node aborts the process if a thread is terminated while it
   * requires an ES module, as piscina does with the worker's file.
   */
  beginStart(): void {
    Atomics.store(this.#words, LOADING_INDEX, Loading.STARTING);
  }

  /** Wait thread: its modules are loaded. */
  endStart(): void {
    this.giveUpStart();
    Atomics.notify(this.#words, LOADING_INDEX);
  }

  /** Main thread: the thread has ended, or takes so long that it hangs elsewhere than in Node's loader. */
  giveUpStart(): void {
    Atomics.compareExchange(this.#words, LOADING_INDEX, Loading.STARTING, Loading.NOTHING);
  }

  /**
   * Wait thread: it has started, and loads the C library, unless a stop is requested. koffi aborts the
   * process if its thread is terminated while Node registers it.
   */
  load<T>(load: () => T): T | undefined {
    Atomics.store(this.#words, LOADING_INDEX, Loading.LIBRARY);
    try {
      // Read behind the store, as the main thread stores its request before it asks `loading`: one of the two
      // sees the other.
      return this.stopRequested ? undefined : load();
    } finally {
      Atomics.store(this.#words, LOADING_INDEX, Loading.NOTHING);
      Atomics.notify(this.#words, LOADING_INDEX);
    }
  }

  /**
   * Whether the wait thread must not be terminated now. Ask after a stop is requested: then it does not begin
   * to load any more.
   */
  get loading(): boolean {
    return Atomics.load(this.#words, LOADING_INDEX) !== Loading.NOTHING;
  }

  /** Blocks the calling thread until the wait thread may be terminated, `limitMs` at most for each state. */
  awaitLoaded(limitMs: number): void {
    Atomics.wait(this.#words, LOADING_INDEX, Loading.STARTING, limitMs);
    Atomics.wait(this.#words, LOADING_INDEX, Loading.LIBRARY, limitMs);
  }

  /** Records that the wait thread owns `descriptor` for the job in `slot`. */
  own(slot: number, descriptor: number, obligation: CloseObligation): void {
    Atomics.store(this.#words, FIRST_SLOT_INDEX + slot, (descriptor + 1) * OBLIGATIONS.length + obligation);
  }

  /** Records that the slot owns nothing any more. */
  disown(slot: number): void {
    Atomics.store(this.#words, FIRST_SLOT_INDEX + slot, 0);
  }

  /**
   * Whether the broker's reply to the job in a slot is not in yet; false too where the slot has no
   * descriptor.
   */
  awaitsReply(slot: number): boolean {
    return Atomics.load(this.#words, FIRST_SLOT_INDEX + slot) % OBLIGATIONS.length !== CloseObligation.NONE;
  }

  /** Takes what a crashed thread left in a slot. */
  takeOver(slot: number): OrphanedSocket | undefined {
    const word = Atomics.exchange(this.#words, FIRST_SLOT_INDEX + slot, 0);
    if (word === 0) return undefined;
    return {
      descriptor: Math.floor(word / OBLIGATIONS.length) - 1,
      obligation: OBLIGATIONS[word % OBLIGATIONS.length] ?? CloseObligation.READ_REST,
    };
  }
}
