import { afterThisCode, systemClock, within } from '../../clock.js';
import type { Native } from '../../os/native.js';
import { abandonedFailure } from '../connect-failures.js';
import { startedAtMs, type Driver, type Job, type Outcome } from '../job.js';
import { holdForReply, unansweredFailure } from '../sockets/drain-reply.js';
import { beginJob } from './begin-job.js';
import { DeadlineGuard, lastDeadlineMs } from './deadline-guard.js';
import { recoverOrphan } from './orphaned-socket.js';
import { receiveOutcome } from './outcomes.js';
import { commandsFor, NOT_BEGUN, SubmittedJob, SubmittedJobs, startCommand } from './submitted-jobs.js';
import { ThreadControl, type ThreadControlOptions, type ThreadOwner } from './thread-control.js';
import type { ThreadCommand, ThreadOutcome } from './thread-protocol.js';

/** How long `close` waits for a thread that has been told to end. A healthy one takes a millisecond. */
const CLOSE_LIMIT_MS = 1_000;

export interface WorkerDriverOptions extends ThreadControlOptions {
  /** Does the jobs that the thread leaves undone. It is closed with this driver. */
  readonly fallback: Driver;
  /** Called once, with the reason, when the thread is of no use any more. */
  readonly onFailed?: (reason: string) => void;
}

/**
 * The worker driver: one thread, owned by piscina, that blocks in one wait over all jobs. The thread starts
 * with the first job and ends when it has been idle for a while.
 *
 * A thread that cannot start, dies or hangs makes the driver fail for good: the event loop does the jobs that
 * are pending and all that follow. Descriptors that the thread had open are taken over when it has ended.
 *
 * For the main thread: what a worker thread leaves open when it is terminated, nobody closes (see
 * `openDriver`).
 */
export class WorkerDriver implements Driver {
  readonly #native: Native;
  readonly #thread: ThreadControl;
  readonly #fallback: Driver;
  readonly #onFailed: (reason: string) => void;
  readonly #jobs = new SubmittedJobs();
  readonly #guard = new DeadlineGuard((pending) => this.#onLate(pending));
  #failed = false;
  #closing: Promise<void> | undefined;

  /** @throws {BrokerPoolError} `WORKER_FAILED` where the system has no descriptors for it */
  constructor(native: Native, options: WorkerDriverOptions) {
    this.#native = native;
    this.#fallback = options.fallback;
    this.#onFailed = options.onFailed ?? (() => {});
    const owner: ThreadOwner = {
      onOutcomes: (outcomes) => this.#onOutcomes(outcomes),
      onNotBegun: (reason) => this.#fail(reason),
      onRunEnd: (reason) => this.#onRunEnd(reason),
    };
    this.#thread = new ThreadControl(native, owner, options);
  }

  get name(): 'worker' | 'event-loop' {
    return this.#failed ? 'event-loop' : 'worker';
  }

  /** Whether the thread has started, so that a job does not wait for that. */
  get ready(): boolean {
    return !this.#failed && this.#thread.ready;
  }

  start(job: Job, settle: (outcome: Outcome) => void): () => void {
    const failure =
      this.#closing === undefined ? unansweredFailure(job.brokerEndpoint) : abandonedFailure(job);
    if (failure !== undefined) {
      afterThisCode(() => settle({ kind: 'failed', failure }));
      return () => {};
    }
    if (this.#failed) return this.#fallback.start(job, settle);
    const pending = new SubmittedJob(job, settle);
    this.#guard.watch(pending, job.deadlineMs);
    if (this.#jobs.add(pending)) this.#begin(pending);
    return () => this.#release(pending);
  }

  /** Starts the thread ahead of the first job. It ends again when it has been idle for a while. */
  async warm(limitMs = Infinity): Promise<void> {
    if (this.#closing !== undefined || this.#failed) return;
    if (!this.#thread.running) this.#thread.start([]);
    await within(limitMs, this.#thread.begun ?? Promise.resolve());
  }

  /** A thread that hangs is not waited for: what it has open is freed if it ends after all. */
  close(): Promise<void> {
    // Not at once: those who are told of it may call this driver again, and must find it closing.
    this.#closing ??= Promise.resolve().then(() => this.#close());
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#thread.stop();
    for (const pending of this.#jobs.unqueueAll()) this.#abandon(pending);
    // A thread that has not begun hears of no stop.
    if (!this.#thread.ready) this.#thread.end();
    await within(CLOSE_LIMIT_MS, this.free());
    this.#thread.end();
    for (const pending of this.#jobs.list()) this.#abandon(pending);
    await this.#fallback.close();
  }

  /**
   * Frees all once no job is left and the thread has ended; resolves then. Called where no job can follow.
   */
  free(): Promise<void> {
    return this.#thread.free();
  }

  #begin(pending: SubmittedJob): void {
    pending.letGo = holdForReply(pending.job.brokerEndpoint, startedAtMs(pending.job));
    pending.beginning = beginJob(this.#native, this.#thread, pending.slot, pending.job);
    if (this.#thread.running) this.#thread.send(startCommand(pending));
    else this.#thread.start(this.#commands());
    // What is on the thread's watch wakes it when the reply is there: soon enough, unless it would sleep past
    // the deadline.
    if (!pending.beginning.watched || this.#thread.shared.sleepsPast(pending.job.deadlineMs))
      this.#thread.wake();
  }

  /** What a new run must be told. */
  #commands(): ThreadCommand[] {
    return this.#jobs.list().flatMap(commandsFor);
  }

  #release(pending: SubmittedJob): void {
    if (pending.released) return;
    pending.released = true;
    if (pending.giveUp !== undefined) return pending.giveUp();
    if (pending.slot < 0 ? this.#jobs.unqueue(pending) : this.#failed)
      return afterThisCode(() => this.#abandon(pending));
    if (pending.slot < 0) return;
    this.#thread.send({ kind: 'release', slot: pending.slot });
    this.#thread.wake();
    this.#guard.watch(pending, systemClock.now());
  }

  #onOutcomes(outcomes: ThreadOutcome[]): void {
    for (const outcome of outcomes) {
      const pending = this.#jobs.at(outcome.slot);
      if (pending === undefined) continue;
      this.#thread.shared.disown(outcome.slot);
      this.#remove(pending);
      const received = receiveOutcome(this.#native.system, pending.job, outcome);
      if (this.#isGivenUpByThread(pending, outcome)) this.#handOver(pending);
      else pending.settle(received);
    }
  }

  /** A thread that is stopped because it has failed gives up jobs whose callers still wait. */
  #isGivenUpByThread(pending: SubmittedJob, outcome: ThreadOutcome): boolean {
    const isAborted = outcome.kind === 'failed' && outcome.failure.code === 'ABORTED';
    return isAborted && this.#failed && this.#closing === undefined && !pending.released && !pending.settled;
  }

  /** Frees the slot of a job that has ended, for the next one. */
  #remove(pending: SubmittedJob): void {
    this.#guard.ignore(pending);
    const next = this.#jobs.remove(pending);
    if (next !== undefined) this.#begin(next);
  }

  #abandon(pending: SubmittedJob): void {
    this.#guard.ignore(pending);
    pending.abandon();
  }

  #onRunEnd(reason: string | undefined): ThreadCommand[] {
    if (reason !== undefined) this.#fail(reason);
    for (const pending of this.#jobs.list()) {
      // Jobs that were given up, or whose driver closes, are not begun again.
      const isOver = pending.settled || pending.released || this.#closing !== undefined;
      if (!isOver && !this.#failed) continue;
      this.#takeLeftOver(pending);
      this.#remove(pending);
      if (isOver) pending.abandon();
      else this.#handOver(pending);
    }
    return this.#commands();
  }

  /** Ends the thread. What it has in hand is done by others once it has ended. */
  #fail(reason: string): void {
    if (this.#failed) return;
    this.#failed = true;
    for (const pending of this.#jobs.unqueueAll()) this.#handOver(pending);
    this.#thread.end();
    void this.free();
    if (this.#closing === undefined) this.#onFailed(reason);
  }

  /** A job is pending although its deadline is over. */
  #onLate(pending: SubmittedJob): void {
    // What the thread has said lies unread where the event loop of this thread stood still.
    this.#thread.receive();
    if (pending.settled) return;
    const { job, slot, released } = pending;
    if (slot < 0) {
      this.#jobs.unqueue(pending);
      return pending.expire();
    }
    const lastMs = lastDeadlineMs(job);
    if (!released && !this.#thread.shared.awaitsReply(slot) && systemClock.now() < lastMs)
      return this.#guard.watch(pending, lastMs);
    this.#fail('it hangs: it has missed a deadline');
    if (released) pending.abandon();
    else pending.expire();
  }

  /** Leaves a job to the event loop: Hello is idempotent. */
  #handOver(pending: SubmittedJob): void {
    this.#guard.ignore(pending);
    if (pending.job.deadlineMs <= systemClock.now()) return afterThisCode(() => pending.expire());
    pending.giveUp = this.#fallback.start(pending.job, (outcome) => pending.settle(outcome));
  }

  /** Frees what a job has open. */
  #takeLeftOver(pending: SubmittedJob): void {
    const left = this.#thread.shared.takeOver(pending.slot);
    pending.beginning = NOT_BEGUN;
    if (left === undefined) return;
    // No thread takes it off its watch any more, and a next run would be woken for it again and again.
    this.#thread.watch?.remove(left.descriptor);
    recoverOrphan(this.#native.system, pending.job, left);
  }
}
