import { errorFromFailure, type Failure } from '../errors.js';
import { connectAndSend } from '../os/connect-and-send.js';
import { fileProblem, peerProblem } from '../os/endpoint-trust.js';
import { systemFailure } from '../os/errno.js';
import type { Native } from '../os/native.js';
import { closePoller, openPoller, sharedWatch, wakePoller } from '../os/poller.js';
import type { PollerHandles, PollerKind, Watch } from '../os/watch.js';
import { abandonedFailure } from './connecting.js';
import { socketOver } from './descriptor-socket.js';
import { exitGuard } from './exit-guard.js';
import type { Driver, Job, Outcome } from './job.js';
import { readOwedReply } from './owed-reply.js';
import { WaitThreads } from './threads.js';
import { SharedWaitState, SLOT_COUNT, type StartCommand, type WaitOutcome } from './wait-protocol.js';
import { WaitRun } from './wait-run.js';

/**
 * How long the wait loop stays when it holds nothing. Long enough to bridge the gaps of a busy service, short enough that a
 * finished program ends at once: a running piscina task keeps the process alive.
 */
const LINGER_MS = 50;

interface Pending {
  readonly job: Job;
  readonly settle: (outcome: Outcome) => void;
  /** Its place in the ledger; -1 before it has one and once it has ended. */
  slot: number;
  /** How it was begun, for the thread that takes it over. */
  beginning: Beginning;
  released: boolean;
  /** A job whose thread died is tried once more: Hello is idempotent. */
  retried: boolean;
}

/** What the main thread has done for a job; see the start command. */
type Beginning = Pick<StartCommand, 'descriptor' | 'sent' | 'watched'>;

/** Leaves everything to the wait thread, which dials, and knows what to do about whatever goes wrong. */
const NOT_BEGUN: Beginning = { descriptor: -1, sent: 0, watched: false };

/** Settings that tests change. */
export interface WorkerDriverOptions {
  readonly poller?: PollerKind;
  readonly workerUrl?: string;
}

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
  readonly #pending = new Map<number, Pending>();
  readonly #freeSlots: number[] = [];
  #usedSlots = 0;
  /** Jobs beyond {@link SLOT_COUNT}, in their order. */
  readonly #overflow: Pending[] = [];
  #run: WaitRun | undefined;
  #runEnded: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(native: Native, options: WorkerDriverOptions = {}) {
    this.#native = native;
    const handles = openPoller(native, options.poller);
    if ('result' in handles) {
      const system = systemFailure(handles.syscall, handles.result);
      throw errorFromFailure({ code: 'WORKER_FAILED', message: `cannot set up the wait thread: ${system.message}`, system });
    }
    this.#handles = handles;
    this.#watch = sharedWatch(native.polling, handles);
    this.#workerUrl = options.workerUrl;
    this.#threads = new WaitThreads(options.workerUrl);
  }

  start(job: Job, settle: (outcome: Outcome) => void): () => void {
    const pending: Pending = { job, settle, slot: -1, beginning: NOT_BEGUN, released: false, retried: false };
    if (this.#closing !== undefined) {
      queueMicrotask(() => settle({ kind: 'failed', failure: abandonedFailure(job) }));
      return () => {};
    }
    const slot = this.#takeSlot();
    if (slot === undefined) this.#overflow.push(pending);
    else this.#begin(slot, pending);
    return () => this.#release(pending);
  }

  /** Starts the thread ahead of the first job. It ends again when it has been idle for a while. */
  async warm(): Promise<void> {
    if (this.#closing !== undefined) return;
    await (this.#run ?? this.#startRun()).begun;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const { job, settle } of this.#overflow.splice(0)) settle({ kind: 'failed', failure: abandonedFailure(job) });
    this.stopWaiting();
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

  #takeSlot(): number | undefined {
    const free = this.#freeSlots.pop();
    if (free !== undefined) return free;
    return this.#usedSlots < SLOT_COUNT ? this.#usedSlots++ : undefined;
  }

  #begin(slot: number, pending: Pending): void {
    pending.slot = slot;
    this.#pending.set(slot, pending);
    pending.beginning = this.#connectAndSend(slot, pending.job);
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
    this.#shared.own(slot, descriptor, true);
    const sent = Math.max(attempt.sent, 0);
    return { descriptor, sent, watched: sent === request.length && this.#watch?.add(descriptor) === 0 };
  }

  #wake(): void {
    wakePoller(this.#native.polling, this.#handles);
  }

  #release(pending: Pending): void {
    if (pending.released) return;
    pending.released = true;
    if (pending.slot >= 0) {
      this.#run?.send({ kind: 'release', slot: pending.slot });
      return this.#wake();
    }
    const queued = this.#overflow.indexOf(pending);
    if (queued < 0) return;
    this.#overflow.splice(queued, 1);
    queueMicrotask(() => pending.settle({ kind: 'failed', failure: abandonedFailure(pending.job) }));
  }

  /** Starts the wait loop with all jobs that nobody works on. */
  #startRun(): WaitRun {
    const task = { handles: this.#handles, shared: this.#shared.buffer, lingerMs: LINGER_MS };
    const commands = Array.from(this.#pending.values(), startCommand);
    const run = new WaitRun(this.#threads, task, commands, (outcomes) => this.#onOutcomes(outcomes));
    exitGuard.add(this);
    this.#run = run;
    this.#runEnded = run.ended.then((error) => this.#onRunEnd(run, error));
    return run;
  }

  #onOutcomes(outcomes: WaitOutcome[]): void {
    for (const outcome of outcomes) this.#onOutcome(outcome);
  }

  #onOutcome(outcome: WaitOutcome): void {
    const pending = this.#pending.get(outcome.slot);
    if (pending === undefined) return;
    this.#shared.disown(outcome.slot);
    this.#forget(pending);
    pending.settle(this.#receive(outcome));
  }

  /** Frees the slot of a job that has ended, for the next one. */
  #forget(pending: Pending): void {
    const { slot } = pending;
    pending.slot = -1;
    this.#pending.delete(slot);
    const next = this.#overflow.shift();
    if (next === undefined) this.#freeSlots.push(slot);
    else this.#begin(slot, next);
  }

  /** Turns what came over from the thread into what the caller gets; from here on the descriptors are sockets. */
  #receive(outcome: WaitOutcome): Outcome {
    if (outcome.kind === 'answered') return outcome;
    if (outcome.kind === 'failed') {
      if (outcome.owedReply !== undefined) this.#readOwedReply(outcome.owedReply);
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

  #readOwedReply(descriptor: number): void {
    const socket = socketOver(this.#native.system, descriptor);
    if (!(socket instanceof Error)) readOwedReply(socket);
  }

  /** The loop returned, or its thread died. */
  #onRunEnd(run: WaitRun, error: unknown): void {
    run.close();
    exitGuard.delete(this);
    if (error !== undefined) this.#afterCrash(error);
    this.#dropReleased();
    // Not before: a job that begins while others fail must wait for the one new run, and not start a run of its own.
    this.#run = undefined;
    if (this.#pending.size > 0) this.#startRun();
  }

  /** Takes what the thread left behind; its jobs are tried once more or fail. */
  #afterCrash(reason: unknown): void {
    // Threads that failed to start once are not started again: a job tried again on them would wait for ever.
    this.#retired = Promise.all([this.#retired, this.#threads.destroy()]);
    this.#threads = new WaitThreads(this.#workerUrl);
    const cause = reason instanceof Error ? reason.message : String(reason);
    for (const pending of Array.from(this.#pending.values())) {
      const message = `the wait thread failed: ${cause}`;
      if (pending.retried) this.#fail(pending, { code: 'WORKER_FAILED', message, endpoint: pending.job.brokerEndpoint });
      else this.#takeLeftOver(pending);
      pending.retried = true;
    }
  }

  /** Jobs that were given up, or whose driver closes, are not begun again. */
  #dropReleased(): void {
    for (const pending of Array.from(this.#pending.values())) {
      if (pending.released || this.#closing !== undefined) this.#fail(pending, abandonedFailure(pending.job));
    }
  }

  /** Frees what a job has open: a broker that owes a reply is read to its end, all else is closed. */
  #takeLeftOver(pending: Pending): void {
    const left = this.#shared.takeOver(pending.slot);
    pending.beginning = NOT_BEGUN;
    // A dead thread cannot take it off its watch, and the next one would be woken for it again and again.
    if (left !== undefined) this.#watch?.remove(left.descriptor);
    if (left?.replyOwed) this.#readOwedReply(left.descriptor);
    else if (left !== undefined) this.#native.system.close(left.descriptor);
  }

  #fail(pending: Pending, failure: Failure): void {
    this.#takeLeftOver(pending);
    this.#forget(pending);
    pending.settle({ kind: 'failed', failure });
  }
}

function startCommand({ slot, job, beginning }: Pending): StartCommand {
  return { kind: 'start', slot, job, ...beginning };
}
