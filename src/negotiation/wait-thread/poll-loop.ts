import { DeadlineQueue } from '../../deadline-queue.js';
import type { Failure, SystemFailure } from '../../errors.js';
import { checkFile, checkPeer, untrusted } from '../../os/endpoint-trust.js';
import { systemFailure, wouldBlock } from '../../os/errno.js';
import type { SystemCalls } from '../../os/native.js';
import { connectTo } from '../../os/socket.js';
import { BATCH } from '../../os/poller-kinds.js';
import type { Negotiated } from '../../wire/messages.js';
import {
  abandonedFailure,
  backlogFailure,
  connectFailure,
  FIRST_RETRY_MS,
  LONGEST_RETRY_MS,
} from '../connect-failures.js';
import type { ExchangeStep } from '../exchange/exchange.js';
import type { Route } from '../job.js';
import {
  beginSending,
  activeJob,
  failed,
  type Dialling,
  type Sending,
  type ActiveJob,
  type WaitEnvironment,
} from './active-job.js';
import { JobDescriptors } from './job-descriptors.js';
import { CloseObligation, type StartCommand, type ThreadOutcome } from './thread-protocol.js';

const RECEIVE_BYTES = 64 * 1024;

/**
 * The longest single wait while jobs are held. A thread in a system call cannot be interrupted:
 * `process.report`, `process.reallyExit()` and the end of a process whose exit listeners fail wait for it. A
 * loop without jobs returns after its linger, so that a parked thread never wakes up.
 */
export const LONGEST_WAIT_MS = 500;

/**
 * Runs jobs on the calling thread, which blocks in one wait over all of them, until the loop has held nothing
 * for `lingerMs` or a stop is requested. A stop hands everything back; owed replies go back as descriptors,
 * never closed.
 */
export function pollLoop(environment: WaitEnvironment, lingerMs: number): void {
  const loop = new PollLoop(environment);
  let emptySinceMs = environment.now();
  for (;;) {
    loop.takeCommands();
    if (environment.shared.stopRequested) {
      loop.releaseAll();
      return;
    }
    const nowMs = environment.now();
    if (loop.held > 0) emptySinceMs = nowMs;
    else if (nowMs - emptySinceMs >= lingerMs) return;
    const untilMs =
      loop.held > 0 ? Math.min(loop.nextDueMs, nowMs + LONGEST_WAIT_MS) : emptySinceMs + lingerMs;
    environment.shared.announceSleep(untilMs);
    if (!loop.takeCommands()) loop.wait(untilMs - nowMs);
    environment.shared.announceAwake();
  }
}

class PollLoop {
  readonly #environment: WaitEnvironment;
  readonly #system: SystemCalls;
  readonly #bySlot = new Map<number, ActiveJob>();
  readonly #descriptors: JobDescriptors;
  readonly #due = new DeadlineQueue<ActiveJob>();
  readonly #received = new Uint8Array(RECEIVE_BYTES);
  #outcomes: ThreadOutcome[] = [];

  constructor(environment: WaitEnvironment) {
    this.#environment = environment;
    this.#system = environment.system;
    this.#descriptors = new JobDescriptors(environment.system, environment.poller, environment.shared);
  }

  /** How many jobs the loop holds. */
  get held(): number {
    return this.#bySlot.size;
  }

  get nextDueMs(): number {
    return this.#due.nextMs;
  }

  /** Takes what there is; returns whether that was anything. */
  takeCommands(): boolean {
    const any = this.#takeCommands();
    this.#postOutcomes();
    return any;
  }

  releaseAll(): void {
    for (const slot of this.#bySlot.keys()) this.#release(slot);
    this.#postOutcomes();
  }

  wait(timeoutMs: number): void {
    this.#poll(timeoutMs);
    const nowMs = this.#environment.now();
    // A wait that ended by its time, or by SIGCONT, has told nothing of what arrived since: a process that
    // was stopped would fail jobs whose replies the kernel holds.
    for (let unread = this.held; unread > 0 && this.#due.nextMs <= nowMs; unread -= BATCH) this.#poll(0);
    for (;;) {
      const active = this.#due.takeDue(nowMs);
      if (active === undefined) break;
      this.#onDue(active, nowMs);
    }
    this.#postOutcomes();
  }

  #poll(timeoutMs: number): void {
    this.#environment.poller.wait(timeoutMs, (descriptor) => this.#onReadable(descriptor));
  }

  #takeCommands(): boolean {
    let command = this.#environment.takeCommand();
    const any = command !== undefined;
    for (; command !== undefined; command = this.#environment.takeCommand()) {
      if (command.kind === 'start') this.#start(command);
      else this.#release(command.slot);
    }
    return any;
  }

  #start(command: StartCommand): void {
    const active = activeJob(command);
    this.#bySlot.set(active.slot, active);
    if (active.descriptor < 0) this.#dial(active, active.job.brokerEndpoint, active.job.deadlineMs);
    else if (command.sent < active.job.request.length) this.#send(active, beginSending(command.sent));
    else this.#awaitReply(active, command.watched);
  }

  #dial(active: ActiveJob, endpoint: string, deadlineMs: number): void {
    active.dialling = { endpoint, deadlineMs, retryDelayMs: FIRST_RETRY_MS };
    // A broker is told the request with the connect; a backend is told nothing before it is known who is
    // behind it.
    const problem = active.negotiated === undefined ? checkFile(endpoint, active.job.trust) : undefined;
    if (problem !== undefined) return this.#failToConnect(active, untrusted(endpoint, problem));
    this.#tryConnect(active, active.dialling);
  }

  #tryConnect(active: ActiveJob, dialling: Dialling): void {
    if (active.descriptor < 0) {
      const opened = this.#descriptors.open(
        active,
        active.negotiated === undefined ? CloseObligation.SEND_REQUEST : CloseObligation.NONE,
      );
      if (opened < 0) return this.#failToConnect(active, systemFailure('socket', opened, dialling.endpoint));
    }
    const connected = connectTo(this.#system, active.descriptor, dialling.endpoint);
    if (wouldBlock(connected)) return this.#onBacklogFull(active, dialling);
    if (connected < 0)
      return this.#failToConnect(active, systemFailure('connect', connected, dialling.endpoint));
    const stranger = checkPeer(active.descriptor, active.job.trust);
    if (stranger !== undefined) return this.#failToConnect(active, untrusted(dialling.endpoint, stranger));
    active.dialling = undefined;
    if (active.negotiated === undefined) this.#send(active, beginSending(0));
    else this.#finishConnected(active, 'broker-negotiated', active.negotiated, dialling.endpoint, undefined);
  }

  /** The last attempt is made at the deadline, however late that is. */
  #onBacklogFull(active: ActiveJob, dialling: Dialling): void {
    if (this.#environment.now() < dialling.deadlineMs)
      return this.#retryLater(active, dialling, dialling.deadlineMs);
    this.#descriptors.close(active);
    this.#finish(active, failed(active, backlogFailure(dialling.endpoint, active.job.roundTripTimeoutMs)));
  }

  #retryLater(active: ActiveJob, attempt: { retryDelayMs: number }, deadlineMs: number): void {
    active.dueMs = Math.min(this.#environment.now() + attempt.retryDelayMs, deadlineMs);
    attempt.retryDelayMs = Math.min(attempt.retryDelayMs * 2, LONGEST_RETRY_MS);
    this.#due.put(active);
  }

  /**
   * From the first byte on the broker is owed the others (V-31): what the system does not take now is sent
   * later.
   */
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
      return this.#giveUp(active, connectFailure(false, active.job.brokerEndpoint, system));
    }
    active.dueMs = active.exchange.deadlineMs;
    this.#due.put(active);
  }

  #onReadable(descriptor: number): void {
    const active = this.#descriptors.at(descriptor) ?? this.#justStarted(descriptor);
    if (active === undefined) return;
    if (active.exchange.replyProgress !== undefined)
      this.#descriptors.setObligation(active, CloseObligation.READ_REST);
    const count = this.#system.receive(descriptor, this.#received);
    if (wouldBlock(count)) return;
    if (count > 0) this.#follow(active, this.#feed(active, this.#received.subarray(0, count)));
    else
      this.#follow(
        active,
        active.exchange.end(
          count === 0 ? undefined : systemFailure('recv', count, active.job.brokerEndpoint),
        ),
      );
  }

  #feed({ exchange }: ActiveJob, piece: Uint8Array): ExchangeStep {
    const step = exchange.receive(piece, this.#environment.now());
    // There may be a token in it.
    piece.fill(0);
    return step;
  }

  /**
   * The main thread puts descriptors on watch itself; the reply may be here before the command has been
   * looked at.
   */
  #justStarted(descriptor: number): ActiveJob | undefined {
    this.#takeCommands();
    return this.#descriptors.at(descriptor);
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
      case 'adopt':
        this.#descriptors.setObligation(active, CloseObligation.NONE);
        return this.#finishConnected(active, 'handle-passed', step.negotiated, step.endpoint, step.residue);
      case 'reconnect':
        this.#due.remove(active);
        this.#descriptors.close(active);
        active.negotiated = step.negotiated;
        return this.#dial(active, step.endpoint, this.#environment.now() + active.job.roundTripTimeoutMs);
      case 'answer':
        this.#descriptors.close(active);
        return this.#finish(active, { slot: active.slot, kind: 'answered', reply: step.reply });
      case 'failed':
        if (step.replyPending) return this.#giveUp(active, step.failure);
        this.#descriptors.close(active);
        return this.#finish(active, failed(active, step.failure));
    }
  }

  #release(slot: number): void {
    const active = this.#bySlot.get(slot);
    // The job may have ended while the release was on its way.
    if (active !== undefined) this.#giveUp(active, abandonedFailure(active.job));
  }

  #failToConnect(active: ActiveJob, system: SystemFailure): void {
    const atBackend = active.negotiated !== undefined;
    this.#descriptors.close(active);
    this.#finish(
      active,
      failed(
        active,
        connectFailure(atBackend, active.dialling?.endpoint ?? active.job.brokerEndpoint, system),
      ),
    );
  }

  #finishConnected(
    active: ActiveJob,
    route: Route,
    negotiated: Negotiated,
    endpoint: string,
    residue: Uint8Array | undefined,
  ): void {
    const descriptor = this.#descriptors.handBack(active);
    this.#finish(active, {
      slot: active.slot,
      kind: 'connected',
      descriptor,
      endpoint,
      route,
      negotiated,
      residue,
    });
  }

  /** A connection on which a broker owes its reply goes back to the main thread, every other is closed. */
  #giveUp(active: ActiveJob, failure: Failure): void {
    const progress = active.exchange.replyProgress;
    if (active.dialling === undefined && progress !== undefined) {
      const sent = active.sending?.sent ?? active.job.request.length;
      const unreadReply = { descriptor: this.#descriptors.handBack(active), sent, progress };
      return this.#finish(active, { slot: active.slot, kind: 'failed', failure, unreadReply });
    }
    this.#descriptors.close(active);
    this.#finish(active, failed(active, failure));
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
    this.#environment.post(outcomes);
  }
}
