import { Socket } from 'node:net';
import { MessageChannel, receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import { BrokerPoolError, type Failure } from '../errors.js';
import { systemFailure } from '../os/errno.js';
import type { Native } from '../os/native.js';
import { closePoller, openPoller, wakePoller, type PollerHandles, type PollerKind } from '../os/poller.js';
import { abandonedFailure, connectAndSend } from './connecting.js';
import { exitGuard } from './exit-guard.js';
import type { Driver, Job, Outcome } from './job.js';
import { readOwedReply } from './owed-reply.js';
import { WaitThreads } from './threads.js';
import { SharedWaitState, SLOT_COUNT, type WaitCommand, type WaitOutcome, type WaitTask } from './wait-protocol.js';

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
  /** Its broker connection while no thread has heard of it; -1: the thread is to dial. */
  descriptor: number;
  released: boolean;
  /** A job whose thread died is tried once more: Hello is idempotent. */
  retried: boolean;
}

/** One run of the wait loop on a piscina thread. */
interface Run {
  readonly port: MessagePort;
  readonly finished: Promise<void>;
}

/** Settings that tests change. */
export interface WorkerDriverOptions {
  readonly poller?: PollerKind;
  readonly workerUrl?: string;
}

/**
 * The worker driver: one thread, owned by piscina, that blocks in one wait over all jobs. The thread starts with the first job and
 * ends when it has been idle for a while.
 */
export class WorkerDriver implements Driver {
  readonly name = 'worker';
  readonly #native: Native;
  readonly #handles: PollerHandles;
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
  #run: Run | undefined;
  #closing: Promise<void> | undefined;

  constructor(native: Native, options: WorkerDriverOptions = {}) {
    this.#native = native;
    const handles = openPoller(native, options.poller);
    if ('result' in handles) {
      const system = systemFailure(handles.syscall, handles.result);
      throw new BrokerPoolError('WORKER_FAILED', `cannot set up the wait thread: ${system.message}`, { cause: system });
    }
    this.#handles = handles;
    this.#workerUrl = options.workerUrl;
    this.#threads = new WaitThreads(options.workerUrl);
  }

  start(job: Job, settle: (outcome: Outcome) => void): () => void {
    const pending: Pending = { job, settle, slot: -1, descriptor: -1, released: false, retried: false };
    if (this.#closing !== undefined) {
      queueMicrotask(() => settle({ kind: 'failed', failure: abandonedFailure(job) }));
      return () => {};
    }
    const slot = this.#takeSlot();
    if (slot === undefined) this.#overflow.push(pending);
    else this.#begin(slot, pending);
    return () => this.#release(pending);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const { job, settle } of this.#overflow.splice(0)) settle({ kind: 'failed', failure: abandonedFailure(job) });
    this.stopWaiting();
    while (this.#run !== undefined) await this.#run.finished;
    await this.#threads.destroy();
    await this.#retired;
    closePoller(this.#native.system, this.#handles);
  }

  /** Makes the thread leave its wait and hand everything back. A thread blocked in a system call cannot be ended otherwise. */
  stopWaiting(): void {
    this.#shared.requestStop();
    wakePoller(this.#native.polling, this.#handles);
  }

  #takeSlot(): number | undefined {
    const free = this.#freeSlots.pop();
    if (free !== undefined) return free;
    return this.#usedSlots < SLOT_COUNT ? this.#usedSlots++ : undefined;
  }

  #begin(slot: number, pending: Pending): void {
    pending.slot = slot;
    this.#pending.set(slot, pending);
    pending.descriptor = this.#connectAndSend(slot, pending.job);
    if (this.#run === undefined) this.#startRun();
    else this.#send({ kind: 'start', slot, job: pending.job, descriptor: pending.descriptor });
  }

  /**
   * Says the Hello right here, so that the broker works while the wait thread wakes up. Returns -1 where that does not go
   * smoothly: the wait thread then dials again, and knows what to do about whatever went wrong.
   */
  #connectAndSend(slot: number, { brokerEndpoint, request }: Job): number {
    const { system } = this.#native;
    const attempt = connectAndSend(system, brokerEndpoint, request);
    if (attempt.descriptor === undefined) return -1;
    const { descriptor, sent } = attempt;
    if (sent !== request.length) {
      system.close(descriptor);
      return -1;
    }
    this.#shared.own(slot, descriptor, true);
    return descriptor;
  }

  #send(command: WaitCommand): void {
    this.#run?.port.postMessage(command);
    wakePoller(this.#native.polling, this.#handles);
  }

  #release(pending: Pending): void {
    if (pending.released) return;
    pending.released = true;
    if (pending.slot >= 0) return this.#send({ kind: 'release', slot: pending.slot });
    const queued = this.#overflow.indexOf(pending);
    if (queued < 0) return;
    this.#overflow.splice(queued, 1);
    queueMicrotask(() => pending.settle({ kind: 'failed', failure: abandonedFailure(pending.job) }));
  }

  /** Starts the wait loop with all jobs that nobody works on. */
  #startRun(): void {
    const { port1: port, port2: workerPort } = new MessageChannel();
    const task: WaitTask = { port: workerPort, handles: this.#handles, shared: this.#shared.buffer, lingerMs: LINGER_MS };
    for (const [slot, { job, descriptor }] of this.#pending) port.postMessage({ kind: 'start', slot, job, descriptor } satisfies WaitCommand);
    port.on('message', (outcomes: WaitOutcome[]) => this.#onOutcomes(outcomes));
    exitGuard.add(this);
    const finished = this.#threads.run(task).then(
      () => this.#onRunEnd(port, undefined),
      (error: unknown) => this.#onRunEnd(port, error),
    );
    this.#run = { port, finished };
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
    const socket = this.#wrap(descriptor);
    if (socket instanceof Error) {
      const message = `failed to take over the connection: ${socket.message}`;
      return { kind: 'failed', failure: { code: 'BACKEND_CONNECT', message, endpoint } };
    }
    if (residue !== undefined && residue.length > 0) socket.unshift(residue);
    return { kind: 'connected', socket, endpoint, route, negotiated };
  }

  #readOwedReply(descriptor: number): void {
    const socket = this.#wrap(descriptor);
    if (!(socket instanceof Error)) readOwedReply(socket);
  }

  /** The socket owns the descriptor from here on; when it cannot be made, the descriptor is closed. */
  #wrap(descriptor: number): Socket | Error {
    try {
      return new Socket({ fd: descriptor });
    } catch (error) {
      this.#native.system.close(descriptor);
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  /** The loop returned, or its thread died. Whatever it had sent before is worked off first. */
  #onRunEnd(port: MessagePort, error: unknown): void {
    for (;;) {
      const received = receiveMessageOnPort(port);
      if (received === undefined) break;
      const outcomes: WaitOutcome[] = received.message;
      this.#onOutcomes(outcomes);
    }
    port.close();
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
    pending.descriptor = -1;
    if (left?.replyOwed) this.#readOwedReply(left.descriptor);
    else if (left !== undefined) this.#native.system.close(left.descriptor);
  }

  #fail(pending: Pending, failure: Failure): void {
    this.#takeLeftOver(pending);
    this.#forget(pending);
    pending.settle({ kind: 'failed', failure });
  }
}
