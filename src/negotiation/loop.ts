import { Socket } from 'node:net';
import type { Clock } from '../clock.js';
import type { Failure } from '../errors.js';
import { systemFailure, wouldBlock } from '../os/errno.js';
import type { Native } from '../os/native.js';
import type { Negotiated } from '../wire/messages.js';
import { abandonedFailure, connectAndSend, connectFailure, sendFailure } from './connecting.js';
import { dial, systemFailureOf } from './dial.js';
import type { Exchange, ExchangeStep } from './exchange.js';
import { exchangeFor, type Driver, type Job, type Outcome, type Route } from './job.js';
import { readOwedReply } from './owed-reply.js';

/**
 * The event-loop driver: the same exchanges on `net.Socket`, for where descriptors cannot cross threads (Windows) or
 * the C library cannot be reached, and for callers who connect once and must not pay for a thread's start.
 *
 * Given `native` it connects and sends in one breath like the worker does (V-21); without, the request follows the connect in a later
 * turn of the event loop, and a registered broker may sleep 5 ms in between.
 */
export class EventLoopDriver implements Driver {
  readonly name = 'event-loop';
  readonly #clock: Clock;
  readonly #native: Native | undefined;
  readonly #running = new Set<Conversation>();
  #closed = false;

  constructor(clock: Clock, native: Native | undefined) {
    this.#clock = clock;
    this.#native = native;
  }

  start(job: Job, settle: (outcome: Outcome) => void): () => void {
    if (this.#closed) {
      queueMicrotask(() => settle({ kind: 'failed', failure: abandonedFailure(job) }));
      return () => {};
    }
    const conversation = new Conversation(job, this.#clock, this.#native, (outcome) => {
      this.#running.delete(conversation);
      settle(outcome);
    });
    this.#running.add(conversation);
    conversation.begin();
    return () => conversation.release();
  }

  close(): Promise<void> {
    this.#closed = true;
    for (const conversation of this.#running) conversation.release();
    return Promise.resolve();
  }
}

/** One job on its way. */
class Conversation {
  readonly #job: Job;
  readonly #clock: Clock;
  readonly #native: Native | undefined;
  readonly #settle: (outcome: Outcome) => void;
  readonly #exchange: Exchange;
  #socket: Socket | undefined;
  #stopDialling: () => void = () => {};
  #cancelDeadline: () => void = () => {};
  /** The deadline that the timer is set to. */
  #armedForMs: number | undefined;
  #ended = false;
  readonly #onReadable = (): void => this.#read();
  readonly #onEnd = (): void => this.#follow(this.#exchange.end());
  readonly #onError = (error: Error): void => this.#follow(this.#exchange.end(systemFailureOf(error)));

  constructor(job: Job, clock: Clock, native: Native | undefined, settle: (outcome: Outcome) => void) {
    this.#job = job;
    this.#clock = clock;
    this.#native = native;
    this.#settle = settle;
    this.#exchange = exchangeFor(job);
  }

  begin(): void {
    if (this.#native === undefined || !this.#connectAndSend(this.#native)) this.#dialBroker();
  }

  release(): void {
    if (this.#ended) return;
    const failure = abandonedFailure(this.#job);
    if (this.#socket === undefined) this.#finish({ kind: 'failed', failure });
    else this.#follow({ kind: 'failed', failure, replyPending: true });
  }

  /** Says the request in one breath with the connect. Returns false where the backlog is full: dialling tries again. */
  #connectAndSend({ system }: Native): boolean {
    const endpoint = this.#job.brokerEndpoint;
    const { request } = this.#exchange;
    const attempt = connectAndSend(system, endpoint, request);
    if (attempt.descriptor === undefined) {
      const { syscall, result } = attempt;
      if (syscall === 'connect' && wouldBlock(result)) return false;
      this.#failLater(connectFailure(false, endpoint, systemFailure(syscall, result, endpoint)));
      return true;
    }
    const { descriptor, sent } = attempt;
    const socket = new Socket({ fd: descriptor });
    this.#listen(socket);
    if (sent !== request.length) {
      const failure = sendFailure(sent, endpoint);
      setImmediate(() => this.#follow(this.#exchange.end(failure)));
    }
    return true;
  }

  #failLater(failure: Failure): void {
    setImmediate(() => this.#finish({ kind: 'failed', failure }));
  }

  #dialBroker(): void {
    const { brokerEndpoint: endpoint, deadlineMs, roundTripTimeoutMs: timeoutMs } = this.#job;
    const onLateConnect = (socket: Socket): void => this.#sayHelloForNobody(socket);
    this.#stopDialling = dial({ endpoint, deadlineMs, timeoutMs, clock: this.#clock, onLateConnect }, (outcome) => {
      if (outcome.kind === 'timeout') return this.#finish({ kind: 'failed', failure: outcome.failure });
      if (outcome.kind === 'refused') return this.#finish({ kind: 'failed', failure: connectFailure(false, endpoint, outcome.system) });
      this.#listen(outcome.socket);
      outcome.socket.write(this.#exchange.request);
    });
  }

  /**
   * A connect that comes through after nobody waits for it any more. A broker takes a bare connect and hang-up as badly as a
   * hang-up in mid-Hello (V-31): it gets the request and is read to its reply.
   */
  #sayHelloForNobody(socket: Socket): void {
    socket.write(this.#exchange.request);
    readOwedReply(socket);
  }

  #listen(socket: Socket): void {
    this.#socket = socket;
    socket.on('readable', this.#onReadable).on('end', this.#onEnd).on('error', this.#onError);
    this.#armDeadline();
  }

  /** 'readable' and not 'data': a socket that has flowed would drop what arrives before its next owner listens. */
  #read(): void {
    while (this.#socket !== undefined) {
      const chunk: Buffer | null = this.#socket.read();
      if (chunk === null) return;
      this.#follow(this.#exchange.receive(chunk, this.#clock.now()));
    }
  }

  /** Once for each deadline: a timer that is set anew with every piece never comes due while pieces follow each other fast enough. */
  #armDeadline(): void {
    const { deadlineMs } = this.#exchange;
    if (deadlineMs === this.#armedForMs) return;
    this.#armedForMs = deadlineMs;
    this.#cancelDeadline();
    this.#cancelDeadline = this.#clock.schedule(deadlineMs - this.#clock.now(), () => this.#follow(this.#exchange.expire()));
  }

  #follow(step: ExchangeStep): void {
    if (this.#ended) return;
    switch (step.kind) {
      case 'wait':
        return this.#armDeadline();
      case 'adopt':
        return this.#adopt(step.negotiated, step.residue);
      case 'reconnect':
        this.#closeBroker();
        return this.#dialBackend(step.negotiated);
      case 'answer':
        this.#closeBroker();
        return this.#finish({ kind: 'answered', reply: step.reply });
      case 'failed':
        if (step.replyPending) this.#readOwedReply();
        else this.#closeBroker();
        return this.#finish({ kind: 'failed', failure: step.failure });
    }
  }

  #adopt(negotiated: Negotiated, residue: Uint8Array): void {
    const socket = this.#detach();
    if (socket === undefined) return;
    if (residue.length > 0) socket.unshift(residue);
    this.#finishConnected(socket, 'handle-passed', negotiated);
  }

  #dialBackend(negotiated: Negotiated): void {
    const endpoint = negotiated.backendPipe;
    const timeoutMs = this.#job.roundTripTimeoutMs;
    const deadlineMs = this.#clock.now() + timeoutMs;
    this.#stopDialling = dial({ endpoint, deadlineMs, timeoutMs, clock: this.#clock }, (outcome) => {
      if (outcome.kind === 'connected') return this.#finishConnected(outcome.socket, 'broker-negotiated', negotiated);
      if (outcome.kind === 'timeout') return this.#finish({ kind: 'failed', failure: outcome.failure });
      this.#finish({ kind: 'failed', failure: connectFailure(true, endpoint, outcome.system) });
    });
  }

  #finishConnected(socket: Socket, route: Route, negotiated: Negotiated): void {
    this.#finish({ kind: 'connected', socket, endpoint: negotiated.backendPipe, route, negotiated });
  }

  /** Lets go of the broker's connection: nothing of this conversation listens to it any more. */
  #detach(): Socket | undefined {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#cancelDeadline();
    // One by one: removing all would take away those by which Node closes the socket.
    socket?.off('readable', this.#onReadable).off('end', this.#onEnd).off('error', this.#onError);
    return socket;
  }

  #closeBroker(): void {
    this.#detach()?.on('error', () => {}).destroy();
  }

  #readOwedReply(): void {
    const socket = this.#detach();
    if (socket !== undefined) readOwedReply(socket);
  }

  #finish(outcome: Outcome): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelDeadline();
    this.#stopDialling();
    this.#settle(outcome);
  }
}
