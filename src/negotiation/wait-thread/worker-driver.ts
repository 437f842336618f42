import { afterThisCode, systemClock, within } from '../../clock.js';
import { DeadlineTimer } from '../../deadline-queue.js';
import type { Native } from '../../os/native.js';
import { abandonedFailure } from '../connect-failures.js';
import { startedAtMs, type Driver, type Job, type Outcome } from '../job.js';
import { holdForReply, unansweredFailure } from '../sockets/broker-requests.js';
import { NOT_STARTED, receiveOutcome, recoverOrphan, startJob } from './job-sockets.js';
import { commandsFor, GRACE_MS, startCommand, SubmittedJob, SubmittedJobs } from './submitted-jobs.js';
import { ThreadControl, type ThreadControlOptions, type WorkerSession } from './thread-control.js';
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
 * For the main thread: no thread closes the descriptors that a terminated worker thread leaves open
 * (see `openDriver`).
 */
export class WorkerDriver implements Driver {
  readonly #native: Native;
  readonly #thread: ThreadControl;
  readonly #fallback: Driver;
  readonly #onFailed: (reason: string) => void;
  readonly #jobs = new SubmittedJobs();
  /** Sees that the wait thread keeps the deadlines of its jobs: a thread that hangs keeps none. */
  readonly #late = new DeadlineTimer<SubmittedJob>(systemClock, (submitted) => this.#onLate(submitted));
  #failed = false;
  #session: WorkerSession | undefined;
  /** Resolves when the last session has ended. */
  #sessionsEnded: Promise<void> = Promise.resolve();
  #freed: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  /** @throws {BrokerPoolError} `WORKER_FAILED` where the system has no descriptors for it */
  constructor(native: Native, options: WorkerDriverOptions) {
    this.#native = native;
    this.#fallback = options.fallback;
    this.#onFailed = options.onFailed ?? (() => {});
    this.#thread = new ThreadControl(native, options);
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
    const submitted = new SubmittedJob(job, settle);
    this.#late.put(submitted);
    if (this.#jobs.add(submitted)) this.#begin(submitted);
    return () => this.#release(submitted);
  }

  /** Starts the thread ahead of the first job. It ends again when it has been idle for a while. */
  async warm(limitMs = Infinity): Promise<void> {
    if (this.#closing !== undefined || this.#failed) return;
    if (this.#session === undefined) this.#startSessions([]);
    await within(limitMs, this.#session?.begun ?? Promise.resolve());
  }

  /** A thread that hangs is not waited for: its descriptors are freed if it ends after all. */
  close(): Promise<void> {
    // Not at once: a callback that hears of it may call this driver again, and must find it closing.
    this.#closing ??= Promise.resolve().then(() => this.#close());
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#thread.stop();
    for (const submitted of this.#jobs.unqueueAll()) this.#abandon(submitted);
    // A thread that has not begun hears of the stop at its first look, some milliseconds later than this ends it.
    if (!this.#thread.ready) this.#thread.end();
    await within(CLOSE_LIMIT_MS, this.free());
    this.#thread.end();
    for (const submitted of this.#jobs.list()) this.#abandon(submitted);
    await this.#fallback.close();
  }

  /**
   * Frees all once no job is left and the thread has ended; resolves then. Called where no job can follow.
   */
  free(): Promise<void> {
    return (this.#freed ??= this.#free());
  }

  async #free(): Promise<void> {
    while (this.#session !== undefined) await this.#sessionsEnded;
    this.#late.stop();
    await this.#thread.free();
  }

  #startSessions(commands: ThreadCommand[]): void {
    this.#sessionsEnded = this.#runSessions(commands);
  }

  /**
   * Runs one session after the other until one ends without jobs. The old session stays in place until its
   * jobs have been worked off: a job that begins meanwhile must not start a session of its own.
   */
  async #runSessions(firstCommands: ThreadCommand[]): Promise<void> {
    let commands = firstCommands;
    do {
      const session = this.#thread.start(commands, (outcomes) => this.#onOutcomes(outcomes));
      this.#session = session;
      void this.#failIfLate(session);
      const reason = await session.ended;
      this.#thread.finish();
      commands = this.#endJobsOf(reason);
    } while (commands.length > 0);
    this.#session = undefined;
  }

  #begin(submitted: SubmittedJob): void {
    submitted.letGo = holdForReply(submitted.job.brokerEndpoint, startedAtMs(submitted.job));
    const { shared, watch } = this.#thread;
    submitted.progress = startJob(this.#native, shared, watch, submitted.slot, submitted.job);
    if (this.#session !== undefined) this.#session.send(startCommand(submitted));
    else this.#startSessions(this.#commands());
    // A reply wakes the thread if the descriptor is on its watch: soon enough, unless the thread would sleep
    // past the deadline.
    if (!submitted.progress.watched || shared.sleepsPast(submitted.job.deadlineMs)) this.#thread.wake();
  }

  async #failIfLate(session: WorkerSession): Promise<void> {
    if ((await session.begun) === 'late')
      this.#fail(`it did not begin within ${this.#thread.startLimitMs} ms`);
  }

  /** The commands for a new session. */
  #commands(): ThreadCommand[] {
    return this.#jobs.list().flatMap(commandsFor);
  }

  #release(submitted: SubmittedJob): void {
    if (submitted.released) return;
    submitted.released = true;
    if (submitted.giveUp !== undefined) return submitted.giveUp();
    if (submitted.slot < 0 ? this.#jobs.unqueue(submitted) : this.#failed)
      return afterThisCode(() => this.#abandon(submitted));
    if (submitted.slot < 0) return;
    this.#session?.send({ kind: 'release', slot: submitted.slot });
    this.#thread.wake();
    submitted.dueMs = systemClock.now() + GRACE_MS;
    this.#late.put(submitted);
  }

  #onOutcomes(outcomes: ThreadOutcome[]): void {
    for (const outcome of outcomes) {
      const submitted = this.#jobs.at(outcome.slot);
      if (submitted === undefined) continue;
      this.#thread.shared.disown(outcome.slot);
      this.#remove(submitted);
      const received = receiveOutcome(this.#native.system, submitted.job, outcome);
      if (this.#isGivenUpByThread(submitted, outcome)) this.#handOver(submitted);
      else submitted.settle(received);
    }
  }

  /** A thread that is stopped because it has failed gives up jobs whose callers still wait. */
  #isGivenUpByThread({ released, settled }: SubmittedJob, outcome: ThreadOutcome): boolean {
    const isAborted = outcome.kind === 'failed' && outcome.failure.code === 'ABORTED';
    return isAborted && this.#failed && this.#closing === undefined && !released && !settled;
  }

  /** Frees the slot of a job that has ended, for the next one. */
  #remove(submitted: SubmittedJob): void {
    this.#late.remove(submitted);
    const next = this.#jobs.remove(submitted);
    if (next !== undefined) this.#begin(next);
  }

  #abandon(submitted: SubmittedJob): void {
    this.#late.remove(submitted);
    submitted.abandon();
  }

  /**
   * Ends the jobs that a session has left, as far as they end with it. Returns the commands for those that
   * came too late for it.
   */
  #endJobsOf(reason: string | undefined): ThreadCommand[] {
    if (reason !== undefined) this.#fail(reason);
    for (const submitted of this.#jobs.list()) {
      // Jobs that were given up, or whose driver closes, are not begun again.
      const isOver = submitted.settled || submitted.released || this.#closing !== undefined;
      if (!isOver && !this.#failed) continue;
      this.#recover(submitted);
      this.#remove(submitted);
      if (isOver) submitted.abandon();
      else this.#handOver(submitted);
    }
    return this.#commands();
  }

  /** Ends the thread. The event loop takes the jobs of the thread over once the thread has ended. */
  #fail(reason: string): void {
    if (this.#failed) return;
    this.#failed = true;
    for (const submitted of this.#jobs.unqueueAll()) this.#handOver(submitted);
    this.#thread.end();
    void this.free();
    if (this.#closing === undefined) this.#onFailed(reason);
  }

  /** A job is not settled although its deadline is over. */
  #onLate(submitted: SubmittedJob): void {
    // Outcomes of the thread are unread where the event loop of this thread stood still.
    this.#session?.receive();
    if (submitted.settled) return;
    const { slot, released } = submitted;
    if (slot < 0) {
      this.#jobs.unqueue(submitted);
      return submitted.expire();
    }
    const { lastDeadlineMs } = submitted;
    if (!released && !this.#thread.shared.awaitsReply(slot) && systemClock.now() < lastDeadlineMs) {
      submitted.dueMs = lastDeadlineMs + GRACE_MS;
      return this.#late.put(submitted);
    }
    this.#fail('it hangs: it has missed a deadline');
    if (released) submitted.abandon();
    else submitted.expire();
  }

  /** Leaves a job to the event loop: Hello is idempotent. */
  #handOver(submitted: SubmittedJob): void {
    this.#late.remove(submitted);
    if (submitted.job.deadlineMs <= systemClock.now()) return afterThisCode(() => submitted.expire());
    submitted.giveUp = this.#fallback.start(submitted.job, (outcome) => submitted.settle(outcome));
  }

  /** Frees the descriptors that a job has open. */
  #recover(submitted: SubmittedJob): void {
    const orphan = this.#thread.shared.takeOver(submitted.slot);
    submitted.progress = NOT_STARTED;
    if (orphan === undefined) return;
    // No thread takes it off its watch any more, and it would wake the next session again and again.
    this.#thread.watch?.remove(orphan.descriptor);
    recoverOrphan(this.#native.system, submitted.job, orphan);
  }
}
