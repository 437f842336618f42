import { afterThisCode, throwLater } from '../../clock.js';
import { errorFromFailure, type Failure } from '../../errors.js';
import { ExitHook } from '../../exit-hook.js';
import { connectAndSend } from '../../os/connect-and-send.js';
import { fileProblem, peerProblem } from '../../os/endpoint-trust.js';
import { systemFailure } from '../../os/errno.js';
import type { Native } from '../../os/native.js';
import { closePoller, openPoller, sharedWatch, wakePoller, type PollerProblem } from '../../os/poller.js';
import type { PollerHandles, PollerKind, Watch } from '../../os/watch.js';
import { abandonedFailure } from '../connect-failures.js';
import { socketOver } from '../sockets/descriptor-socket.js';
import type { Driver, Job, Outcome } from '../job.js';
import { clearUp, takeOverOwedReply } from './left-over.js';
import { commandsFor, NOT_BEGUN, PendingJobs, startCommand, type Beginning, type PendingJob } from './pending-jobs.js';
import { WaitThreads } from './threads.js';
import { Debt, SharedWaitState, type WaitOutcome } from './wait-protocol.js';
import { WaitRun } from './wait-run.js';

/**
 * How long the wait loop stays when it holds nothing. Long enough to bridge the gaps of a busy service, short enough that a
 * finished program ends at once: a running piscina task keeps the process alive.
 */
const LINGER_MS = 50;

export interface WorkerDriverOptions {
  /** What the thread waits with; the driver closes it. @default opened here */
  readonly handles?: PollerHandles;
  /** For tests. */
  readonly poller?: PollerKind;
  /** For tests. */
  readonly workerUrl?: string;
}

/** The failure of every job that needs the thread, where what it waits with cannot be opened. */
export function pollerFailure({ syscall, result }: PollerProblem): Failure {
  const system = systemFailure(syscall, result);
  return { code: 'WORKER_FAILED', message: `cannot set up the wait thread: ${system.message}`, system };
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
 * For the main thread: what a worker thread leaves open when it is terminated, nobody closes (see `openDriver`).
 */
export class WorkerDriver implements Driver {
  readonly name = 'worker';
  readonly #native: Native;
  readonly #handles: PollerHandles;
  /** Puts descriptors on the thread's watch from here; `undefined` where only the thread can. */
  readonly #watch: Watch | undefined;
  readonly #shared = new SharedWaitState();
  readonly #workerUrl: string | undefined;
  #threads: WaitThreads;
  /** Ends when the pools of threads that crashed are gone. */
  #retired: Promise<unknown> = Promise.resolve();
  readonly #jobs = new PendingJobs();
  #run: WaitRun | undefined;
  #runEnded: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  /** @throws {BrokerPoolError} `WORKER_FAILED` where the system has no descriptors for it */
  constructor(native: Native, options: WorkerDriverOptions = {}) {
    this.#native = native;
    const handles = options.handles ?? openPoller(native, options.poller);
    if ('result' in handles) throw errorFromFailure(pollerFailure(handles));
    this.#handles = handles;
    this.#watch = sharedWatch(native.polling, handles);
    this.#workerUrl = options.workerUrl;
    this.#threads = new WaitThreads(options.workerUrl);
  }

  start(job: Job, settle: (outcome: Outcome) => void): () => void {
    const pending: PendingJob = { job, settle, slot: -1, beginning: NOT_BEGUN, released: false, retried: false };
    if (this.#closing !== undefined) {
      afterThisCode(() => settle({ kind: 'failed', failure: abandonedFailure(job) }));
      return () => {};
    }
    if (this.#jobs.add(pending)) this.#begin(pending);
    return () => this.#release(pending);
  }

  /** Starts the thread ahead of the first job. It ends again when it has been idle for a while. */
  async warm(): Promise<void> {
    if (this.#closing !== undefined) return;
    await (this.#run ?? this.#startRun()).begun;
  }

  close(): Promise<void> {
    // Not at once: those who are told of it may call this driver again, and must find it closing.
    this.#closing ??= Promise.resolve().then(() => this.#close());
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.stopWaiting();
    for (const { job, settle } of this.#jobs.unqueueAll()) settle({ kind: 'failed', failure: abandonedFailure(job) });
    while (this.#run !== undefined) await this.#runEnded;
    await this.#threads.destroy();
    await this.#retired;
    closePoller(this.#native.system, this.#handles);
  }

  /** Makes the thread leave its wait and hand everything back. A thread blocked in a system call cannot be ended otherwise. */
  stopWaiting(): void {
    this.#shared.requestStop();
    this.#wake();
  }

  #begin(pending: PendingJob): void {
    pending.beginning = this.#connectAndSend(pending.slot, pending.job);
    if (this.#run === undefined) this.#startRun();
    else this.#run.send(startCommand(pending));
    // What is on the thread's watch wakes it when the reply is there: soon enough, unless it would sleep past the deadline.
    if (!pending.beginning.watched || this.#shared.sleepsPast(pending.job.deadlineMs)) this.#wake();
  }

  /** Says the Hello right here, so that the broker has it before any thread wakes up. */
  #connectAndSend(slot: number, { brokerEndpoint, request, trust }: Job): Beginning {
    if (fileProblem(brokerEndpoint, trust) !== undefined) return NOT_BEGUN;
    const attempt = connectAndSend(this.#native, brokerEndpoint, request);
    if (attempt.descriptor === undefined) return NOT_BEGUN;
    const { descriptor } = attempt;
    if (peerProblem(descriptor, trust) !== undefined) {
      this.#native.system.close(descriptor);
      return NOT_BEGUN;
    }
    const sent = Math.max(attempt.sent, 0);
    this.#shared.own(slot, descriptor, sent === request.length ? Debt.REPLY : Debt.REQUEST);
    return { descriptor, sent, watched: sent === request.length && this.#watch?.add(descriptor) === 0 };
  }

  #wake(): void {
    wakePoller(this.#native.polling, this.#handles);
  }

  #release(pending: PendingJob): void {
    if (pending.released) return;
    pending.released = true;
    if (pending.slot >= 0) {
      this.#run?.send({ kind: 'release', slot: pending.slot });
      return this.#wake();
    }
    if (!this.#jobs.unqueue(pending)) return;
    afterThisCode(() => pending.settle({ kind: 'failed', failure: abandonedFailure(pending.job) }));
  }

  /** Starts the wait loop with all jobs that nobody works on. */
  #startRun(): WaitRun {
    const task = { handles: this.#handles, shared: this.#shared.buffer, lingerMs: LINGER_MS };
    const commands = this.#jobs.list().flatMap(commandsFor);
    const run = new WaitRun(this.#threads, task, commands, (outcomes) => this.#onOutcomes(outcomes));
    waitingDrivers.add(this);
    this.#run = run;
    this.#runEnded = run.ended.then((error) => this.#onRunEnd(run, error));
    return run;
  }

  #onOutcomes(outcomes: WaitOutcome[]): void {
    for (const outcome of outcomes) {
      try {
        this.#onOutcome(outcome);
      } catch (error) {
        // The jobs behind it must not wait for ever.
        throwLater(error);
      }
    }
  }

  #onOutcome(outcome: WaitOutcome): void {
    const pending = this.#jobs.at(outcome.slot);
    if (pending === undefined) return;
    this.#shared.disown(outcome.slot);
    this.#remove(pending);
    pending.settle(this.#receive(pending.job, outcome));
  }

  /** Frees the slot of a job that has ended, for the next one. */
  #remove(pending: PendingJob): void {
    const next = this.#jobs.remove(pending);
    if (next !== undefined) this.#begin(next);
  }

  /** Turns what came over from the thread into what the caller gets; from here on the descriptors are sockets. */
  #receive(job: Job, outcome: WaitOutcome): Outcome {
    if (outcome.kind === 'answered') return outcome;
    if (outcome.kind === 'failed') {
      if (outcome.owedReply !== undefined) takeOverOwedReply(this.#native.system, job, outcome.owedReply);
      return outcome;
    }
    const { descriptor, endpoint, route, negotiated, residue } = outcome;
    const socket = socketOver(this.#native.system, descriptor);
    if (socket instanceof Error) {
      negotiated.handlePassedToken.fill(0);
      const message = `failed to take over the connection: ${socket.message}`;
      return { kind: 'failed', failure: { code: 'BACKEND_CONNECT', message, endpoint } };
    }
    if (residue !== undefined && residue.length > 0) socket.unshift(residue);
    return { kind: 'connected', socket, endpoint, route, negotiated };
  }

  /** The loop returned, or its thread died. */
  #onRunEnd(run: WaitRun, error: unknown): void {
    run.close();
    waitingDrivers.delete(this);
    if (error !== undefined) this.#afterCrash(error);
    this.#dropReleased();
    // Not before: a job that begins while others fail must wait for the one new run, and not start a run of its own.
    this.#run = undefined;
    if (this.#jobs.size > 0) this.#startRun();
  }

  /** Takes what the thread left behind; its jobs are tried once more or fail. */
  #afterCrash(reason: unknown): void {
    // Threads that failed to start once are not started again: a job tried again on them would wait for ever.
    this.#retired = Promise.all([this.#retired, this.#threads.destroy()]);
    this.#threads = new WaitThreads(this.#workerUrl);
    const cause = reason instanceof Error ? reason.message : String(reason);
    for (const pending of this.#jobs.list()) {
      const message = `the wait thread failed: ${cause}`;
      if (pending.retried) this.#fail(pending, { code: 'WORKER_FAILED', message, endpoint: pending.job.brokerEndpoint });
      else this.#takeLeftOver(pending);
      pending.retried = true;
    }
  }

  /** Jobs that were given up, or whose driver closes, are not begun again. */
  #dropReleased(): void {
    for (const pending of this.#jobs.list()) {
      if (pending.released || this.#closing !== undefined) this.#fail(pending, abandonedFailure(pending.job));
    }
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

  #fail(pending: PendingJob, failure: Failure): void {
    this.#takeLeftOver(pending);
    this.#remove(pending);
    pending.settle({ kind: 'failed', failure });
  }
}
