import type { Timed } from '../../deadline-queue.js';
import { abandonedFailure } from '../connect-failures.js';
import { exchangeFor, type Job, type Outcome } from '../job.js';
import { NOT_STARTED, type JobStart } from './job-sockets.js';
import { SLOT_COUNT, type StartCommand, type ThreadCommand } from './thread-protocol.js';

/**
 * How long the wait thread may take to report a deadline. It takes a millisecond; a thread that takes this
 * long hangs, or was stopped by a debugger.
 */
export const GRACE_MS = 500;

/**
 * A job that the worker driver has taken on. At `dueMs` the main thread checks that the wait thread keeps
 * time.
 */
export class SubmittedJob implements Timed {
  readonly job: Job;
  /** The job's place in the ledger; -1 before it has one and once it has ended. */
  slot = -1;
  /** How far the main thread has come, for the thread that goes on. */
  progress: JobStart = NOT_STARTED;
  released = false;
  /** Lets the process end before the broker has replied. */
  letGo: (() => void) | undefined;
  /** Gives the job up where it runs instead, since the thread has failed. */
  giveUp: (() => void) | undefined;
  dueMs: number;
  queueIndex = -1;
  readonly #settle: (outcome: Outcome) => void;
  #settled = false;

  constructor(job: Job, settle: (outcome: Outcome) => void) {
    this.job = job;
    this.dueMs = job.deadlineMs + GRACE_MS;
    this.#settle = settle;
  }

  /** Whether the caller has its outcome. The slot is taken until the thread has let go of its descriptor. */
  get settled(): boolean {
    return this.#settled;
  }

  /**
   * When a job must have ended whose reply is in: the handoff wait and the dial of the backend have time of
   * their own.
   */
  get lastDeadlineMs(): number {
    const { job } = this;
    const handoffMs =
      job.kind === 'handshake' && job.adoptHandedOffConnection ? job.handoffReadyTimeoutMs : 0;
    return job.deadlineMs + handoffMs + job.roundTripTimeoutMs;
  }

  /** Hands the outcome to the caller. A connection that comes after the first outcome is closed. */
  settle(outcome: Outcome): void {
    if (!this.#settled) {
      this.#settled = true;
      this.letGo?.();
      this.#settle(outcome);
    } else if (outcome.kind === 'connected') {
      outcome.socket.destroy();
      outcome.negotiated.handlePassedToken.fill(0);
    }
  }

  /** Settles a job that was given up. */
  abandon(): void {
    this.settle({ kind: 'failed', failure: abandonedFailure(this.job) });
  }

  /** Settles a job whose time is over. */
  expire(): void {
    const step = exchangeFor(this.job).expire();
    if (step.kind !== 'failed') throw new Error('an exchange without a reply can only fail when it expires');
    this.settle({ kind: 'failed', failure: step.failure });
  }
}

export function startCommand({ slot, job, progress }: SubmittedJob): StartCommand {
  return { kind: 'start', slot, job, ...progress };
}

/**
 * The commands that tell a new session of a job. It may have been given up between two sessions, in a
 * callback for another job.
 */
export function commandsFor(submitted: SubmittedJob): ThreadCommand[] {
  return submitted.released
    ? [startCommand(submitted), { kind: 'release', slot: submitted.slot }]
    : [startCommand(submitted)];
}

/** The jobs of a worker driver: those that have a slot, and a queue of those beyond {@link SLOT_COUNT}. */
export class SubmittedJobs {
  readonly #bySlot = new Map<number, SubmittedJob>();
  readonly #freeSlots: number[] = [];
  #usedSlots = 0;
  readonly #queue: SubmittedJob[] = [];

  at(slot: number): SubmittedJob | undefined {
    return this.#bySlot.get(slot);
  }

  /** The jobs that have a slot now, as a copy: the caller ends some of them while it works off the list. */
  list(): SubmittedJob[] {
    return [...this.#bySlot.values()];
  }

  /** Gives a job a slot. Returns false if there is none left; the job is then queued. */
  add(submitted: SubmittedJob): boolean {
    const slot = this.#freeSlots.pop() ?? (this.#usedSlots < SLOT_COUNT ? this.#usedSlots++ : undefined);
    if (slot === undefined) this.#queue.push(submitted);
    else this.#place(submitted, slot);
    return slot !== undefined;
  }

  /** Frees the slot of a job that has ended. Returns the job that has it now, if there was a queue. */
  remove(submitted: SubmittedJob): SubmittedJob | undefined {
    const { slot } = submitted;
    submitted.slot = -1;
    this.#bySlot.delete(slot);
    const next = this.#queue.shift();
    if (next === undefined) this.#freeSlots.push(slot);
    else this.#place(next, slot);
    return next;
  }

  /** Takes a job out of the queue. Returns false if it is not in it. */
  unqueue(submitted: SubmittedJob): boolean {
    const index = this.#queue.indexOf(submitted);
    if (index >= 0) this.#queue.splice(index, 1);
    return index >= 0;
  }

  unqueueAll(): SubmittedJob[] {
    return this.#queue.splice(0);
  }

  #place(submitted: SubmittedJob, slot: number): void {
    submitted.slot = slot;
    this.#bySlot.set(slot, submitted);
  }
}
