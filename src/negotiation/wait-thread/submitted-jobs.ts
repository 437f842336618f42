import type { Timed } from '../../deadline-queue.js';
import { abandonedFailure } from '../connect-failures.js';
import type { Job, Outcome } from '../job.js';
import { discardOutcome, expiredOutcome } from './outcomes.js';
import { SLOT_COUNT, type StartCommand, type ThreadCommand } from './thread-protocol.js';

/**
 * A job that the worker driver has taken on. `dueMs` is when the main thread asks whether the wait thread
 * keeps its deadlines.
 */
export class SubmittedJob implements Timed {
  readonly job: Job;
  /** Its place in the ledger; -1 before it has one and once it has ended. */
  slot = -1;
  /** How it was begun, for the thread that takes it over. */
  beginning: Beginning = NOT_BEGUN;
  released = false;
  /** Lets the process end before the broker has replied. */
  letGo: () => void = () => {};
  /** Gives the job up where it is done instead, since the thread has failed. */
  giveUp: (() => void) | undefined;
  dueMs = 0;
  queueIndex = -1;
  readonly #settle: (outcome: Outcome) => void;
  #settled = false;

  constructor(job: Job, settle: (outcome: Outcome) => void) {
    this.job = job;
    this.#settle = settle;
  }

  /** Its owner has its outcome. Its slot is taken until the thread has let go of its descriptor. */
  get settled(): boolean {
    return this.#settled;
  }

  /** Hands the outcome to the owner of the job. What comes after the first is discarded. */
  settle(outcome: Outcome): void {
    if (this.#settled) return discardOutcome(outcome);
    this.#settled = true;
    this.letGo();
    this.#settle(outcome);
  }

  /** Settles a job that was given up. */
  abandon(): void {
    this.settle({ kind: 'failed', failure: abandonedFailure(this.job) });
  }

  /** Settles a job whose time is over. */
  expire(): void {
    this.settle(expiredOutcome(this.job));
  }
}

/** What the main thread has done for a job; see the start command. */
export type Beginning = Pick<StartCommand, 'descriptor' | 'sent' | 'watched'>;

/** Leaves everything to the wait thread, which dials, and knows what to do about whatever goes wrong. */
export const NOT_BEGUN: Beginning = { descriptor: -1, sent: 0, watched: false };

export function startCommand({ slot, job, beginning }: SubmittedJob): StartCommand {
  return { kind: 'start', slot, job, ...beginning };
}

/**
 * What a new thread is told of a job. Whoever heard of another job's end may have given this one up while
 * nobody listened.
 */
export function commandsFor(pending: SubmittedJob): ThreadCommand[] {
  return pending.released
    ? [startCommand(pending), { kind: 'release', slot: pending.slot }]
    : [startCommand(pending)];
}

/**
 * The jobs of a worker driver: those that have a slot, and in their order those beyond {@link SLOT_COUNT},
 * which wait for one.
 */
export class SubmittedJobs {
  readonly #bySlot = new Map<number, SubmittedJob>();
  readonly #freeSlots: number[] = [];
  #usedSlots = 0;
  readonly #queue: SubmittedJob[] = [];

  /** How many have a slot. */
  get size(): number {
    return this.#bySlot.size;
  }

  at(slot: number): SubmittedJob | undefined {
    return this.#bySlot.get(slot);
  }

  /** Those that have a slot now, whatever becomes of them while the list is worked off. */
  list(): SubmittedJob[] {
    return [...this.#bySlot.values()];
  }

  /** Gives a job a slot. Returns false if there is none left; the job is then queued. */
  add(pending: SubmittedJob): boolean {
    const slot = this.#freeSlots.pop() ?? (this.#usedSlots < SLOT_COUNT ? this.#usedSlots++ : undefined);
    if (slot === undefined) this.#queue.push(pending);
    else this.#place(pending, slot);
    return slot !== undefined;
  }

  /** Frees the slot of a job that has ended. Returns the job that has it now, if there was a queue. */
  remove(pending: SubmittedJob): SubmittedJob | undefined {
    const { slot } = pending;
    pending.slot = -1;
    this.#bySlot.delete(slot);
    const next = this.#queue.shift();
    if (next === undefined) this.#freeSlots.push(slot);
    else this.#place(next, slot);
    return next;
  }

  /** Takes a job out of the queue. Returns false if it is not in it. */
  unqueue(pending: SubmittedJob): boolean {
    const index = this.#queue.indexOf(pending);
    if (index >= 0) this.#queue.splice(index, 1);
    return index >= 0;
  }

  unqueueAll(): SubmittedJob[] {
    return this.#queue.splice(0);
  }

  #place(pending: SubmittedJob, slot: number): void {
    pending.slot = slot;
    this.#bySlot.set(slot, pending);
  }
}
