import { afterThisCode, systemClock } from '../../clock.js';
import { errorFromFailure } from '../../errors.js';
import { ExitHook } from '../../exit-hook.js';
import { systemFailure } from '../../os/errno.js';
import type { Native } from '../../os/native.js';
import { closePoller, openPoller, sharedWatch, wakePoller } from '../../os/poller.js';
import type { PollerHandles, PollerKind, Watch } from '../../os/watch.js';
import { abandonedFailure } from '../connect-failures.js';
import { EventLoopDriver } from '../event-loop/event-loop-driver.js';
import type { Driver, Job, Outcome } from '../job.js';
import { beginJob } from './begin-job.js';
import { DeadlineGuard, lastDeadlineMs } from './deadline-guard.js';
import { clearUp } from './left-over.js';
import { receiveOutcome } from './outcomes.js';
import { commandsFor, NOT_BEGUN, PendingJob, PendingJobs, startCommand } from './pending-jobs.js';
import { WaitThreads } from './threads.js';
import { SharedWaitState, type WaitOutcome } from './wait-protocol.js';
import { START_LIMIT_MS, WaitRun } from './wait-run.js';

/**
 * How long the wait loop stays when it holds nothing. Long enough to bridge the gaps of a busy service, short enough that a
 * finished program ends at once: a running piscina task keeps the process alive.
 */
const LINGER_MS = 50;

/** How long `close` waits for a thread that has been told to end. A healthy one takes a millisecond. */
const CLOSE_LIMIT_MS = 1_000;

export interface WorkerDriverOptions {
  /** Does the jobs that the thread leaves undone. @default an event-loop driver */
  readonly fallback?: Driver;
  /** Called once, with the reason, when the thread is of no use any more. */
  readonly onFailed?: (reason: string) => void;
  /** For tests. */
  readonly poller?: PollerKind;
  /** For tests. */
  readonly workerUrl?: string | undefined;
}

/**
 * Drivers whose threads are in a wait. Node joins its threads at the end of the process, `process.exit()` included, and would
 * hang until each blocked call returns by itself.
 */
const waitingDrivers = new ExitHook<WorkerDriver>((driver) => driver.stopWaiting());

/**
 * The worker driver: one thread, owned by piscina, that blocks in one wait over all jobs. The thread starts with the first job and
 * ends when it has been idle for a while.
 *
 * A thread that cannot start, dies or hangs makes the driver fail for good: the event loop does the jobs that are pending and all that
 * follow. Descriptors that the thread had open are taken over when it has ended.
 *
 * For the main thread: what a worker thread leaves open when it is terminated, nobody closes (see `openDriver`).
 */
export class WorkerDriver implements Driver {
  readonly #native: Native;
  readonly #shared = new SharedWaitState();
  readonly #handles: PollerHandles;
  /** Puts descriptors on the thread's watch from here; `undefined` where only the thread can. */
  readonly #watch: Watch | undefined;
  readonly #threads: WaitThreads;
  readonly #fallback: Driver;
  readonly #onFailed: (reason: string) => void;
  readonly #jobs = new PendingJobs();
  readonly #guard = new DeadlineGuard((pending) => this.#onLate(pending));
  #run: WaitRun | undefined;
  #runEnded: Promise<void> = Promise.resolve();
  /** The thread that has begun a run and has not ended since. */
  #begunThread: WaitThreads['thread'];
  #failed = false;
  #freed: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  /** @throws {BrokerPoolError} `WORKER_FAILED` where the system has no descriptors for it */
  constructor(native: Native, options: WorkerDriverOptions = {}) {
    this.#native = native;
    const handles = openPoller(native, options.poller);
    if ('result' in handles) {
      const system = systemFailure(handles.syscall, handles.result);
      throw errorFromFailure({ code: 'WORKER_FAILED', message: `cannot set up the wait thread: ${system.message}`, system });
    }
    this.#handles = handles;
    this.#watch = sharedWatch(native.polling, handles);
    this.#threads = new WaitThreads(options.workerUrl);
    this.#fallback = options.fallback ?? new EventLoopDriver(systemClock, native);
    this.#onFailed = options.onFailed ?? (() => {});
  }

  get name(): 'worker' | 'event-loop' {
    return this.#failed ? 'event-loop' : 'worker';
  }

  /** Whether the thread has started, so that a job does not wait for that. */
  get ready(): boolean {
    return !this.#failed && this.#begunThread !== undefined && this.#begunThread === this.#threads.thread;
  }

  start(job: Job, settle: (outcome: Outcome) => void): () => void {
    if (this.#closing !== undefined) {
      afterThisCode(() => settle({ kind: 'failed', failure: abandonedFailure(job) }));
      return () => {};
    }
    if (this.#failed) return this.#fallback.start(job, settle);
    const pending = new PendingJob(job, settle);
    this.#guard.watch(pending, job.deadlineMs);
    if (this.#jobs.add(pending)) this.#begin(pending);
    return () => this.#release(pending);
  }

  /** Starts the thread ahead of the first job. It ends again when it has been idle for a while. */
  async warm(): Promise<void> {
    if (this.#closing === undefined && !this.#failed) await (this.#run ?? this.#startRun()).begun;
  }

  /** A thread that hangs is not waited for: what it has open is freed if it ends after all. */
  close(): Promise<void> {
    // Not at once: those who are told of it may call this driver again, and must find it closing.
    this.#closing ??= Promise.resolve().then(() => this.#close());
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.stopWaiting();
    for (const pending of this.#jobs.unqueueAll()) this.#abandon(pending);
    // A thread that has not begun hears of no stop.
    if (!this.ready) void this.#threads.end();
    let cancelLimit = (): void => {};
    const limit = new Promise<void>((resolve) => (cancelLimit = systemClock.schedule(CLOSE_LIMIT_MS, resolve, true)));
    await Promise.race([this.free(), limit]);
    cancelLimit();
    this.#run?.unref();
    for (const pending of this.#jobs.list()) this.#abandon(pending);
    await this.#fallback.close();
  }

  /** Frees all as soon as the thread has nothing to do any more; resolves when it has ended. Called where no job can follow. */
  free(): Promise<void> {
    return (this.#freed ??= (async () => {
      while (this.#run !== undefined) await this.#runEnded;
      await this.#threads.end();
      closePoller(this.#native.system, this.#handles);
    })());
  }

  /** Makes the thread leave its wait and hand everything back. A thread blocked in a system call cannot be ended otherwise. */
  stopWaiting(): void {
    this.#shared.requestStop();
    this.#wake();
  }

  #begin(pending: PendingJob): void {
    pending.beginning = beginJob(this.#native, this.#shared, this.#watch, pending.slot, pending.job);
    if (this.#run === undefined) this.#startRun();
    else this.#run.send(startCommand(pending));
    // What is on the thread's watch wakes it when the reply is there: soon enough, unless it would sleep past the deadline.
    if (!pending.beginning.watched || this.#shared.sleepsPast(pending.job.deadlineMs)) this.#wake();
  }

  #wake(): void {
    wakePoller(this.#native.polling, this.#handles);
  }

  #release(pending: PendingJob): void {
    if (pending.released) return;
    pending.released = true;
    if (pending.giveUp !== undefined) return pending.giveUp();
    if (pending.slot < 0 ? this.#jobs.unqueue(pending) : this.#failed) return afterThisCode(() => this.#abandon(pending));
    if (pending.slot < 0) return;
    this.#run?.send({ kind: 'release', slot: pending.slot });
    this.#wake();
    this.#guard.watch(pending, systemClock.now());
  }

  /** Starts the wait loop with all jobs that nobody works on. */
  #startRun(): WaitRun {
    const task = { handles: this.#handles, shared: this.#shared.buffer, lingerMs: LINGER_MS };
    const commands = this.#jobs.list().flatMap(commandsFor);
    const run = new WaitRun(this.#threads, task, commands, (outcomes) => this.#onOutcomes(outcomes));
    waitingDrivers.add(this);
    this.#run = run;
    this.#runEnded = run.ended.then((reason) => this.#onRunEnd(run, reason));
    void run.begun.then((hasBegun) => this.#onBegun(run, hasBegun));
    return run;
  }

  #onBegun(run: WaitRun, hasBegun: boolean): void {
    if (hasBegun) this.#begunThread = this.#threads.thread;
    else if (this.#run === run) this.#fail(`it did not begin within ${START_LIMIT_MS} ms`);
  }

  #onOutcomes(outcomes: WaitOutcome[]): void {
    for (const outcome of outcomes) {
      const pending = this.#jobs.at(outcome.slot);
      if (pending === undefined) continue;
      this.#shared.disown(outcome.slot);
      this.#remove(pending);
      pending.settle(receiveOutcome(this.#native.system, pending.job, outcome));
    }
  }

  /** Frees the slot of a job that has ended, for the next one. */
  #remove(pending: PendingJob): void {
    this.#guard.ignore(pending);
    const next = this.#jobs.remove(pending);
    if (next !== undefined) this.#begin(next);
  }

  #abandon(pending: PendingJob): void {
    this.#guard.ignore(pending);
    pending.abandon();
  }

  /** The loop returned, or failed and its thread has ended. */
  #onRunEnd(run: WaitRun, reason: string | undefined): void {
    run.close();
    waitingDrivers.delete(this);
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
    // Not before: a job that begins while others end must wait for the one new run, and not start a run of its own.
    this.#run = undefined;
    if (this.#jobs.size > 0) this.#startRun();
  }

  /** Ends the thread. What it has in hand is done by others once it has ended. */
  #fail(reason: string): void {
    if (this.#failed) return;
    this.#failed = true;
    for (const pending of this.#jobs.unqueueAll()) this.#handOver(pending);
    void this.#threads.end();
    this.#wake();
    this.#run?.unref();
    void this.free();
    if (this.#closing === undefined) this.#onFailed(reason);
  }

  /** A job is pending although its deadline is over. */
  #onLate(pending: PendingJob): void {
    // What the thread has said lies unread where the event loop of this thread stood still.
    this.#run?.receive();
    if (pending.settled) return;
    const { job, slot, released } = pending;
    if (slot < 0) {
      this.#jobs.unqueue(pending);
      return pending.expire();
    }
    const lastMs = lastDeadlineMs(job);
    if (!released && !this.#shared.owesReply(slot) && systemClock.now() < lastMs) return this.#guard.watch(pending, lastMs);
    this.#fail('it hangs: it has missed a deadline');
    if (released) pending.abandon();
    else pending.expire();
  }

  /** Leaves a job to the event loop: Hello is idempotent. */
  #handOver(pending: PendingJob): void {
    this.#guard.ignore(pending);
    if (pending.job.deadlineMs <= systemClock.now()) return afterThisCode(() => pending.expire());
    pending.giveUp = this.#fallback.start(pending.job, (outcome) => pending.settle(outcome));
  }

  /** Frees what a job has open. */
  #takeLeftOver(pending: PendingJob): void {
    const left = this.#shared.takeOver(pending.slot);
    pending.beginning = NOT_BEGUN;
    if (left === undefined) return;
    // A dead thread cannot take it off its watch, and the next one would be woken for it again and again.
    this.#watch?.remove(left.descriptor);
    clearUp(this.#native.system, pending.job, left);
  }
}
