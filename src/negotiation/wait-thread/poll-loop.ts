import { monotonicNowMs } from '../../clock.js';
import { DeadlineQueue } from '../../deadline-queue.js';
import type { Failure, SystemFailure } from '../../errors.js';
import { checkFile, checkPeer, untrusted } from '../../os/endpoint-trust.js';
import { systemFailure, wouldBlock } from '../../os/errno.js';
import type { SystemCalls } from '../../os/native.js';
import { connectTo } from '../../os/socket.js';
import { BATCH, type Poller } from '../../os/poller-kinds.js';
import {
  abandonedFailure,
  backlogFailure,
  connectFailure,
  FIRST_RETRY_MS,
  LONGEST_RETRY_MS,
} from '../connect-failures.js';
import type { ExchangeStep } from '../exchange/exchange.js';
import { ActiveJob, type Dialling, type Sending } from './active-job.js';
import { JobDescriptors } from './job-descriptors.js';
import {
  CloseObligation,
  type CommandPort,
  type SharedThreadState,
  type StartCommand,
  type ThreadConnection,
  type ThreadOutcome,
} from './thread-protocol.js';

/**
 * The longest single wait while the loop holds jobs. A thread in a system call cannot be interrupted:
 * `process.report`, `process.reallyExit()` and the end of a process whose exit listeners fail wait for it. A
 * loop without jobs returns after its linger, so that a parked thread never wakes up.
 */
export const LONGEST_WAIT_MS = 500;

/** Runs jobs on the calling thread, which blocks in one wait over all of them. */
export class PollLoop {
  readonly #system: SystemCalls;
  readonly #poller: Poller;
  readonly #shared: SharedThreadState;
  readonly #port: CommandPort;
  readonly #now: () => number;
  readonly #bySlot = new Map<number, ActiveJob>();
  readonly #descriptors: JobDescriptors;
  readonly #due = new DeadlineQueue<ActiveJob>();
  readonly #received = new Uint8Array(64 * 1024);
  #outcomes: ThreadOutcome[] = [];

  constructor(
    system: SystemCalls,
    poller: Poller,
    shared: SharedThreadState,
    port: CommandPort,
    now: () => number = monotonicNowMs,
  ) {
    this.#system = system;
    this.#poller = poller;
    this.#port = port;
    this.#shared = shared;
    this.#now = now;
    this.#descriptors = new JobDescriptors(system, poller, shared);
  }

  /**
   * Returns when the loop has held no job for `lingerMs`, or a stop is requested. A stop hands every job
   * back; a connection whose broker has yet to reply goes back as a descriptor and is never closed.
   */
  run(lingerMs: number): void {
    let emptySinceMs = this.#now();
    for (;;) {
      this.#takeCommands();
      if (this.#shared.stopRequested) {
        for (const active of this.#bySlot.values()) this.#giveUp(active, abandonedFailure(active.job));
        return this.#postOutcomes();
      }
      this.#postOutcomes();
      const nowMs = this.#now();
      if (this.#bySlot.size > 0) emptySinceMs = nowMs;
      else if (nowMs - emptySinceMs >= lingerMs) return;
      const untilMs =
        this.#bySlot.size > 0 ? Math.min(this.#due.nextMs, nowMs + LONGEST_WAIT_MS) : emptySinceMs + lingerMs;
      this.#shared.announceSleep(untilMs);
      if (!this.#takeCommands()) this.#wait(untilMs - nowMs);
      this.#postOutcomes();
      this.#shared.announceAwake();
    }
  }

  #wait(timeoutMs: number): void {
    this.#poll(timeoutMs);
    const nowMs = this.#now();
    // A wait that ended by its time, or by SIGCONT, reports nothing that arrived since: a process that was
    // stopped would fail jobs whose replies the kernel holds.
    for (let unread = this.#bySlot.size; unread > 0 && this.#due.nextMs <= nowMs; unread -= BATCH)
      this.#poll(0);
    for (let active = this.#due.takeDue(nowMs); active !== undefined; active = this.#due.takeDue(nowMs))
      this.#onDue(active, nowMs);
  }

  #poll(timeoutMs: number): void {
    this.#poller.wait(timeoutMs, (descriptor) => this.#onReadable(descriptor));
  }

  /** Carries out the commands of the main thread. Returns whether there were any. */
  #takeCommands(): boolean {
    let any = false;
    for (let command = this.#port.take(); command !== undefined; command = this.#port.take()) {
      any = true;
      const active = this.#bySlot.get(command.slot);
      if (command.kind === 'start') this.#start(command);
      // Otherwise the job has ended while the release was on its way.
      else if (active !== undefined) this.#giveUp(active, abandonedFailure(active.job));
    }
    return any;
  }

  #start(command: StartCommand): void {
    const active = new ActiveJob(command);
    this.#bySlot.set(active.slot, active);
    if (active.descriptor < 0) this.#dial(active, active.job.brokerEndpoint, active.job.deadlineMs);
    else if (command.sent < active.job.request.length)
      this.#send(active, { sent: command.sent, retryDelayMs: FIRST_RETRY_MS });
    else this.#awaitReply(active, command.watched);
  }

  #dial(active: ActiveJob, endpoint: string, deadlineMs: number): void {
    active.dialling = { endpoint, deadlineMs, retryDelayMs: FIRST_RETRY_MS };
    // A broker gets the request with the connect. A backend gets nothing before its peer has been checked.
    const problem = active.negotiated === undefined ? checkFile(endpoint, active.job.trust) : undefined;
    if (problem !== undefined) return this.#failToConnect(active, untrusted(endpoint, problem));
    this.#tryConnect(active, active.dialling);
  }

  #tryConnect(active: ActiveJob, dialling: Dialling): void {
    const { endpoint, deadlineMs } = dialling;
    const { job, negotiated } = active;
    if (active.descriptor < 0) {
      const error = this.#descriptors.open(active);
      if (error !== undefined) return this.#failToConnect(active, systemFailure('socket', error, endpoint));
    }
    const connected = connectTo(this.#system, active.descriptor, endpoint);
    if (wouldBlock(connected)) {
      // The last attempt is made at the deadline, however late that is.
      if (this.#now() < deadlineMs) return this.#retryLater(active, dialling, deadlineMs);
      return this.#fail(active, backlogFailure(endpoint, job.roundTripTimeoutMs));
    }
    if (connected < 0) return this.#failToConnect(active, systemFailure('connect', connected, endpoint));
    const stranger = checkPeer(active.descriptor, job.trust);
    if (stranger !== undefined) return this.#failToConnect(active, untrusted(endpoint, stranger));
    active.dialling = undefined;
    if (negotiated === undefined) return this.#send(active, { sent: 0, retryDelayMs: FIRST_RETRY_MS });
    this.#finishConnected(active, { route: 'broker-negotiated', negotiated, endpoint, residue: undefined });
  }

  #retryLater(active: ActiveJob, attempt: { retryDelayMs: number }, deadlineMs: number): void {
    active.dueMs = Math.min(this.#now() + attempt.retryDelayMs, deadlineMs);
    attempt.retryDelayMs = Math.min(attempt.retryDelayMs * 2, LONGEST_RETRY_MS);
    this.#due.put(active);
  }

  /** The bytes that the system does not take now are sent later: half a request ends a broker (V-31). */
  #send(active: ActiveJob, sending: Sending): void {
    const { request, deadlineMs } = active.exchange;
    const taken = this.#system.send(active.descriptor, request.subarray(sending.sent));
    if (taken < 0 && !wouldBlock(taken)) {
      return this.#follow(
        active,
        active.exchange.end(systemFailure('send', taken, active.job.brokerEndpoint)),
      );
    }
    sending.sent += Math.max(taken, 0);
    active.sending = sending.sent < request.length ? sending : undefined;
    if (active.sending === undefined) this.#awaitReply(active, false);
    else this.#retryLater(active, sending, deadlineMs);
  }

  #awaitReply(active: ActiveJob, watched: boolean): void {
    this.#descriptors.setObligation(active, CloseObligation.READ_REPLY);
    const added = this.#descriptors.watch(active, watched);
    if (added < 0) {
      const system = systemFailure('watch', added, active.job.brokerEndpoint);
      return this.#giveUp(active, connectFailure('broker', active.job.brokerEndpoint, system));
    }
    active.dueMs = active.exchange.deadlineMs;
    this.#due.put(active);
  }

  #onReadable(descriptor: number): void {
    // The command of a job may still be on its way when its reply is here, and so may the one that gives it up.
    this.#takeCommands();
    const active = this.#descriptors.at(descriptor);
    if (active === undefined) return;
    const { exchange, job } = active;
    if (exchange.replyProgress !== undefined)
      this.#descriptors.setObligation(active, CloseObligation.READ_REST);
    const count = this.#system.receive(descriptor, this.#received);
    if (wouldBlock(count)) return;
    if (count < 0)
      return this.#follow(active, exchange.end(systemFailure('recv', count, job.brokerEndpoint)));
    if (count === 0) return this.#follow(active, exchange.end());
    const piece = this.#received.subarray(0, count);
    const step = exchange.receive(piece, this.#now());
    // There may be a token in it.
    piece.fill(0);
    this.#follow(active, step);
  }

  #onDue(active: ActiveJob, nowMs: number): void {
    const { dialling, sending } = active;
    if (dialling !== undefined) return this.#tryConnect(active, dialling);
    if (sending !== undefined && nowMs < active.exchange.deadlineMs) return this.#send(active, sending);
    this.#follow(active, active.exchange.expire());
  }

  #follow(active: ActiveJob, step: ExchangeStep): void {
    switch (step.kind) {
      case 'wait':
        if (active.exchange.replyProgress === undefined)
          this.#descriptors.setObligation(active, CloseObligation.NONE);
        active.dueMs = active.exchange.deadlineMs;
        return this.#due.put(active);
      case 'adopt': {
        const { negotiated, endpoint, residue } = step;
        this.#descriptors.setObligation(active, CloseObligation.NONE);
        return this.#finishConnected(active, { route: 'handle-passed', negotiated, endpoint, residue });
      }
      case 'reconnect':
        this.#descriptors.close(active);
        active.negotiated = step.negotiated;
        return this.#dial(active, step.endpoint, this.#now() + active.job.roundTripTimeoutMs);
      case 'answer':
        this.#descriptors.close(active);
        return this.#finish(active, { slot: active.slot, kind: 'answered', reply: step.reply });
      case 'failed':
        if (step.replyPending) return this.#giveUp(active, step.failure);
        return this.#fail(active, step.failure);
    }
  }

  #failToConnect(active: ActiveJob, system: SystemFailure): void {
    const endpoint = active.dialling?.endpoint ?? active.job.brokerEndpoint;
    const peer = active.negotiated === undefined ? 'broker' : 'negotiated backend';
    this.#fail(active, connectFailure(peer, endpoint, system));
  }

  #fail(active: ActiveJob, failure: Failure): void {
    this.#descriptors.close(active);
    this.#finish(active, { slot: active.slot, kind: 'failed', failure, unreadReply: undefined });
  }

  #finishConnected(active: ActiveJob, connection: Omit<ThreadConnection, 'kind' | 'descriptor'>): void {
    const descriptor = this.#descriptors.handBack(active);
    this.#finish(active, { slot: active.slot, kind: 'connected', descriptor, ...connection });
  }

  /** A connection whose broker has yet to reply goes back to the main thread; every other is closed. */
  #giveUp(active: ActiveJob, failure: Failure): void {
    const progress = active.exchange.replyProgress;
    if (active.dialling === undefined && progress !== undefined) {
      const sent = active.sending?.sent ?? active.job.request.length;
      const unreadReply = { descriptor: this.#descriptors.handBack(active), sent, progress };
      return this.#finish(active, { slot: active.slot, kind: 'failed', failure, unreadReply });
    }
    this.#fail(active, failure);
  }

  #finish(active: ActiveJob, outcome: ThreadOutcome): void {
    if (outcome.kind === 'failed') active.exchange.wipe();
    this.#due.remove(active);
    this.#bySlot.delete(active.slot);
    this.#outcomes.push(outcome);
  }

  #postOutcomes(): void {
    if (this.#outcomes.length === 0) return;
    const outcomes = this.#outcomes;
    this.#outcomes = [];
    this.#port.post(outcomes);
  }
}
