import { DeadlineQueue } from '../../deadline-queue.js';
import type { Failure, SystemFailure } from '../../errors.js';
import { fileProblem, peerProblem, untrusted } from '../../os/endpoint-trust.js';
import { systemFailure, wouldBlock } from '../../os/errno.js';
import type { SystemCalls } from '../../os/native.js';
import { connectTo } from '../../os/socket.js';
import { BATCH } from '../../os/watch.js';
import type { Negotiated } from '../../wire/messages.js';
import { backlogFailure, FIRST_RETRY_MS, LONGEST_RETRY_MS } from '../backlog.js';
import { abandonedFailure, connectFailure } from '../connect-failures.js';
import type { ExchangeStep } from '../exchange/exchange.js';
import type { Route } from '../job.js';
import {
  beginSending,
  beginWait,
  failed,
  type Dialling,
  type Sending,
  type Wait,
  type WaitEnvironment,
} from './wait.js';
import { WaitDescriptors } from './wait-descriptors.js';
import { Debt, type StartCommand, type WaitOutcome } from './wait-protocol.js';

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
export function runWaitLoop(environment: WaitEnvironment, lingerMs: number): void {
  const loop = new WaitLoop(environment);
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

class WaitLoop {
  readonly #environment: WaitEnvironment;
  readonly #system: SystemCalls;
  readonly #bySlot = new Map<number, Wait>();
  readonly #descriptors: WaitDescriptors;
  readonly #due = new DeadlineQueue<Wait>();
  readonly #received = new Uint8Array(RECEIVE_BYTES);
  #outcomes: WaitOutcome[] = [];

  constructor(environment: WaitEnvironment) {
    this.#environment = environment;
    this.#system = environment.system;
    this.#descriptors = new WaitDescriptors(environment.system, environment.poller, environment.shared);
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
      const wait = this.#due.takeDue(nowMs);
      if (wait === undefined) break;
      this.#onDue(wait, nowMs);
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
    const wait = beginWait(command);
    this.#bySlot.set(wait.slot, wait);
    if (wait.descriptor < 0) this.#dial(wait, wait.job.brokerEndpoint, wait.job.deadlineMs);
    else if (command.sent < wait.job.request.length) this.#send(wait, beginSending(command.sent));
    else this.#awaitReply(wait, command.watched);
  }

  #dial(wait: Wait, endpoint: string, deadlineMs: number): void {
    wait.dialling = { endpoint, deadlineMs, retryDelayMs: FIRST_RETRY_MS };
    // A broker is told the request with the connect; a backend is told nothing before it is known who is
    // behind it.
    const problem = wait.negotiated === undefined ? fileProblem(endpoint, wait.job.trust) : undefined;
    if (problem !== undefined) return this.#failToConnect(wait, untrusted(endpoint, problem));
    this.#tryConnect(wait, wait.dialling);
  }

  #tryConnect(wait: Wait, dialling: Dialling): void {
    if (wait.descriptor < 0) {
      const opened = this.#descriptors.open(
        wait,
        wait.negotiated === undefined ? Debt.REQUEST : Debt.NOTHING,
      );
      if (opened < 0) return this.#failToConnect(wait, systemFailure('socket', opened, dialling.endpoint));
    }
    const connected = connectTo(this.#system, wait.descriptor, dialling.endpoint);
    if (wouldBlock(connected)) return this.#onBacklogFull(wait, dialling);
    if (connected < 0)
      return this.#failToConnect(wait, systemFailure('connect', connected, dialling.endpoint));
    const stranger = peerProblem(wait.descriptor, wait.job.trust);
    if (stranger !== undefined) return this.#failToConnect(wait, untrusted(dialling.endpoint, stranger));
    wait.dialling = undefined;
    if (wait.negotiated === undefined) this.#send(wait, beginSending(0));
    else this.#finishConnected(wait, 'broker-negotiated', wait.negotiated, dialling.endpoint, undefined);
  }

  /** The last attempt is made at the deadline, however late that is. */
  #onBacklogFull(wait: Wait, dialling: Dialling): void {
    if (this.#environment.now() < dialling.deadlineMs)
      return this.#retryLater(wait, dialling, dialling.deadlineMs);
    this.#descriptors.close(wait);
    this.#finish(wait, failed(wait, backlogFailure(dialling.endpoint, wait.job.roundTripTimeoutMs)));
  }

  #retryLater(wait: Wait, attempt: { retryDelayMs: number }, deadlineMs: number): void {
    wait.dueMs = Math.min(this.#environment.now() + attempt.retryDelayMs, deadlineMs);
    attempt.retryDelayMs = Math.min(attempt.retryDelayMs * 2, LONGEST_RETRY_MS);
    this.#due.put(wait);
  }

  /**
   * From the first byte on the broker is owed the others (V-31): what the system does not take now is sent
   * later.
   */
  #send(wait: Wait, sending: Sending): void {
    const { request, deadlineMs } = wait.exchange;
    const taken = this.#system.send(wait.descriptor, request.subarray(sending.sent));
    if (taken < 0 && !wouldBlock(taken)) {
      return this.#follow(wait, wait.exchange.end(systemFailure('send', taken, wait.job.brokerEndpoint)));
    }
    sending.sent += Math.max(taken, 0);
    wait.sending = sending.sent < request.length ? sending : undefined;
    if (wait.sending === undefined) this.#awaitReply(wait, false);
    else this.#retryLater(wait, sending, deadlineMs);
  }

  #awaitReply(wait: Wait, watched: boolean): void {
    this.#descriptors.owe(wait, Debt.REPLY);
    const added = this.#descriptors.watch(wait, watched);
    if (added < 0) {
      const system = systemFailure('watch', added, wait.job.brokerEndpoint);
      return this.#giveUp(wait, connectFailure(false, wait.job.brokerEndpoint, system));
    }
    wait.dueMs = wait.exchange.deadlineMs;
    this.#due.put(wait);
  }

  #onReadable(descriptor: number): void {
    const wait = this.#descriptors.at(descriptor) ?? this.#justStarted(descriptor);
    if (wait === undefined) return;
    if (wait.exchange.owedReply !== undefined) this.#descriptors.owe(wait, Debt.REST_OF_REPLY);
    const count = this.#system.receive(descriptor, this.#received);
    if (wouldBlock(count)) return;
    if (count > 0) this.#follow(wait, this.#feed(wait, this.#received.subarray(0, count)));
    else
      this.#follow(
        wait,
        wait.exchange.end(count === 0 ? undefined : systemFailure('recv', count, wait.job.brokerEndpoint)),
      );
  }

  #feed({ exchange }: Wait, piece: Uint8Array): ExchangeStep {
    const step = exchange.receive(piece, this.#environment.now());
    // There may be a token in it.
    piece.fill(0);
    return step;
  }

  /**
   * The main thread puts descriptors on watch itself; the reply may be here before the command has been
   * looked at.
   */
  #justStarted(descriptor: number): Wait | undefined {
    this.#takeCommands();
    return this.#descriptors.at(descriptor);
  }

  #onDue(wait: Wait, nowMs: number): void {
    const { dialling, sending } = wait;
    if (dialling !== undefined) return this.#tryConnect(wait, dialling);
    if (sending !== undefined && nowMs < wait.exchange.deadlineMs) return this.#send(wait, sending);
    this.#follow(wait, wait.exchange.expire());
  }

  #follow(wait: Wait, step: ExchangeStep): void {
    switch (step.kind) {
      case 'wait':
        if (wait.exchange.owedReply === undefined) this.#descriptors.owe(wait, Debt.NOTHING);
        wait.dueMs = wait.exchange.deadlineMs;
        return this.#due.put(wait);
      case 'adopt':
        this.#descriptors.owe(wait, Debt.NOTHING);
        return this.#finishConnected(wait, 'handle-passed', step.negotiated, step.endpoint, step.residue);
      case 'reconnect':
        this.#due.remove(wait);
        this.#descriptors.close(wait);
        wait.negotiated = step.negotiated;
        return this.#dial(wait, step.endpoint, this.#environment.now() + wait.job.roundTripTimeoutMs);
      case 'answer':
        this.#descriptors.close(wait);
        return this.#finish(wait, { slot: wait.slot, kind: 'answered', reply: step.reply });
      case 'failed':
        if (step.replyPending) return this.#giveUp(wait, step.failure);
        this.#descriptors.close(wait);
        return this.#finish(wait, failed(wait, step.failure));
    }
  }

  #release(slot: number): void {
    const wait = this.#bySlot.get(slot);
    // The job may have ended while the release was on its way.
    if (wait !== undefined) this.#giveUp(wait, abandonedFailure(wait.job));
  }

  #failToConnect(wait: Wait, system: SystemFailure): void {
    const atBackend = wait.negotiated !== undefined;
    this.#descriptors.close(wait);
    this.#finish(
      wait,
      failed(wait, connectFailure(atBackend, wait.dialling?.endpoint ?? wait.job.brokerEndpoint, system)),
    );
  }

  #finishConnected(
    wait: Wait,
    route: Route,
    negotiated: Negotiated,
    endpoint: string,
    residue: Uint8Array | undefined,
  ): void {
    const descriptor = this.#descriptors.handBack(wait);
    this.#finish(wait, {
      slot: wait.slot,
      kind: 'connected',
      descriptor,
      endpoint,
      route,
      negotiated,
      residue,
    });
  }

  /** A connection on which a broker owes its reply goes back to the main thread, every other is closed. */
  #giveUp(wait: Wait, failure: Failure): void {
    const progress = wait.exchange.owedReply;
    if (wait.dialling === undefined && progress !== undefined) {
      const sent = wait.sending?.sent ?? wait.job.request.length;
      const owedReply = { descriptor: this.#descriptors.handBack(wait), sent, progress };
      return this.#finish(wait, { slot: wait.slot, kind: 'failed', failure, owedReply });
    }
    this.#descriptors.close(wait);
    this.#finish(wait, failed(wait, failure));
  }

  #finish(wait: Wait, outcome: WaitOutcome): void {
    if (outcome.kind === 'failed') wait.exchange.wipe();
    this.#due.remove(wait);
    this.#bySlot.delete(wait.slot);
    this.#outcomes.push(outcome);
  }

  #postOutcomes(): void {
    if (this.#outcomes.length === 0) return;
    const outcomes = this.#outcomes;
    this.#outcomes = [];
    this.#environment.post(outcomes);
  }
}
