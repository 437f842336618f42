import { Socket } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import type { Clock, Deadline } from '../../clock.js';
import type { Failure, SystemFailure } from '../../errors.js';
import { connectAndSend } from '../../os/socket.js';
import { checkFile, checkPeer, untrusted } from '../../os/endpoint-trust.js';
import { systemFailure, wouldBlock } from '../../os/errno.js';
import type { Native } from '../../os/native.js';
import { ReplyChannel } from '../../os/reply-channel.js';
import { descriptorOf, hasPipes } from '../../os/socket-handle.js';
import { abandonedFailure, connectFailure } from '../connect-failures.js';
import {
  dial,
  dialFailure,
  dialNow,
  socketOver,
  systemFailureOf,
  type DialOutcome,
} from '../sockets/dial.js';
import type { NegotiationEnvironment } from './negotiation-environment.js';
import type { Exchange, ExchangeStep } from '../exchange/exchange.js';
import { exchangeFor, startedAtMs, type Job, type Outcome } from '../job.js';
import {
  holdForReply,
  drainReply,
  unansweredFailure,
  type AbandonedRequest,
} from '../sockets/drain-reply.js';

type StepTo<Kind extends ExchangeStep['kind']> = Extract<ExchangeStep, { readonly kind: Kind }>;

/** One job of the event-loop driver, from its connect to its outcome. */
export class EventLoopNegotiation {
  /** Where the driver keeps it. */
  index = -1;
  readonly #job: Job;
  readonly #clock: Clock;
  readonly #environment: NegotiationEnvironment;
  readonly #settle: (outcome: Outcome) => void;
  readonly #exchange: Exchange;
  /** The connection to the broker while its reply is awaited. */
  #connection: Socket | ReplyChannel | undefined;
  #stopDialling: (() => void) | undefined;
  #deadline: Deadline | undefined;
  /** Lets the process end before the broker has replied. */
  #letGo: (() => void) | undefined;
  /** The deadline that the timer is set to. */
  #armedForMs: number | undefined;
  #ended = false;
  /** 'readable' and not 'data': a socket that has flowed drops bytes that arrive before its next reader. */
  readonly #onReadable = (): void => {
    while (this.#connection instanceof Socket) {
      const chunk: Buffer | null = this.#connection.read();
      if (chunk === null) return;
      const step = this.#exchange.receive(chunk, this.#clock.now());
      // There may be a token in it.
      chunk.fill(0);
      this.#follow(step);
    }
  };
  readonly #onEnd = (): void => this.#follow(this.#exchange.end());
  readonly #onError = (error: Error): void => this.#follow(this.#exchange.end(systemFailureOf(error)));

  constructor(job: Job, environment: NegotiationEnvironment, settle: (outcome: Outcome) => void) {
    this.#job = job;
    this.#clock = environment.clock;
    this.#environment = environment;
    this.#settle = settle;
    this.#exchange = exchangeFor(job);
  }

  begin(): void {
    const { brokerEndpoint, trust } = this.#job;
    const unanswered = unansweredFailure(brokerEndpoint);
    if (unanswered !== undefined) return this.#failLater(unanswered);
    const problem = checkFile(brokerEndpoint, trust);
    if (problem !== undefined) return this.#refuse(untrusted(brokerEndpoint, problem));
    // A worker thread can be terminated at any moment: a descriptor that is not Node's would be lost.
    const { native } = this.#environment;
    if (native === undefined || !isMainThread) this.#dialBroker();
    else this.#connectAndSend(native);
  }

  release(): void {
    if (this.#ended) return;
    const failure = abandonedFailure(this.#job);
    if (this.#connection === undefined) this.#finish({ kind: 'failed', failure });
    else this.#follow({ kind: 'failed', failure, replyPending: this.#exchange.replyProgress !== undefined });
  }

  /** Sends the request together with the connect. Where the backlog is full, dialling tries again. */
  #connectAndSend(native: Native): void {
    const { brokerEndpoint: endpoint, trust } = this.#job;
    const { request } = this.#exchange;
    const attempt = connectAndSend(native, endpoint, request);
    if (attempt.descriptor === undefined) {
      const { syscall, result } = attempt;
      if (syscall === 'connect' && wouldBlock(result)) return this.#dialBroker();
      return this.#refuse(systemFailure(syscall, result, endpoint));
    }
    const { descriptor, sent } = attempt;
    const stranger = checkPeer(descriptor, trust);
    if (stranger !== undefined) {
      native.system.close(descriptor);
      return this.#refuse(untrusted(endpoint, stranger));
    }
    const channel = sent === request.length ? this.#channelOver(native, descriptor) : undefined;
    const connection = channel ?? socketOver(native.system, descriptor);
    if (connection instanceof Error) return this.#refuse(systemFailureOf(connection));
    this.#listen(connection);
    if (sent === request.length || connection instanceof ReplyChannel) return;
    if (sent >= 0 || wouldBlock(sent)) {
      // Half a request must not stay on the line (V-31).
      connection.write(request.subarray(Math.max(sent, 0)));
      return;
    }
    const failure = systemFailure('send', sent, endpoint);
    this.#clock.afterTurn(() => this.#follow(this.#exchange.end(failure)));
  }

  /** `undefined` for a connection that may be adopted: it becomes the caller's, a stream like any other. */
  #channelOver({ system }: Native, descriptor: number): ReplyChannel | undefined {
    const job = this.#job;
    const mayBeAdopted = job.kind === 'handshake' && job.adoptHandedOffConnection;
    if (mayBeAdopted || !hasPipes()) return undefined;
    const onBytes = (bytes: Uint8Array): void =>
      this.#follow(this.#exchange.receive(bytes, this.#clock.now()));
    return ReplyChannel.over(system, descriptor, onBytes, this.#onEnd);
  }

  #refuse(system: SystemFailure): void {
    this.#failLater(connectFailure('broker', this.#job.brokerEndpoint, system));
  }

  #failLater(failure: Failure): void {
    this.#clock.afterTurn(() => this.#finish({ kind: 'failed', failure }));
  }

  #dialBroker(): void {
    const { brokerEndpoint: endpoint, request, deadlineMs, roundTripTimeoutMs: timeoutMs, trust } = this.#job;
    const { native, background } = this.#environment;
    let sent = 0;
    // The kernel may have connected already. Node reports that a turn later, and a broker that finds no request
    // sleeps 5 ms (V-21).
    const onCalled = (socket: Socket): void => {
      const descriptor = descriptorOf(socket);
      if (native !== undefined && descriptor >= 0 && checkPeer(descriptor, trust) === undefined)
        sent = Math.max(0, native.system.send(descriptor, request));
    };
    // A bare connect and hang-up ends a broker as a hang-up in mid-Hello does (V-31): it gets the rest of the
    // request, and its reply is read.
    const onLateConnect = (socket: Socket): void => {
      if (sent < request.length) socket.write(request.subarray(sent));
      drainReply(socket, this.#abandoned);
    };
    const keepAlive = !background;
    const clock = this.#clock;
    const options = { endpoint, deadlineMs, timeoutMs, clock, trust, keepAlive, onCalled, onLateConnect };
    this.#stopDialling = dial(options, (outcome) => {
      if (outcome.kind !== 'connected')
        return this.#finish({ kind: 'failed', failure: dialFailure('broker', endpoint, outcome) });
      this.#listen(outcome.socket);
      if (sent < request.length) outcome.socket.write(request.subarray(sent));
    });
  }

  #listen(connection: Socket | ReplyChannel): void {
    this.#connection = connection;
    if (this.#environment.background) {
      connection.unref();
      this.#letGo = holdForReply(this.#job.brokerEndpoint, startedAtMs(this.#job));
    }
    if (connection instanceof Socket)
      connection.on('readable', this.#onReadable).on('end', this.#onEnd).on('error', this.#onError);
    this.#armDeadline();
  }

  /** Once for each deadline: a timer that every piece sets anew never comes due while pieces keep coming. */
  #armDeadline(): void {
    const { deadlineMs } = this.#exchange;
    if (deadlineMs === this.#armedForMs) return;
    this.#armedForMs = deadlineMs;
    this.#deadline?.cancel();
    this.#deadline = this.#clock.deadline(deadlineMs - this.#clock.now(), () =>
      this.#follow(this.#exchange.expire()),
    );
  }

  #follow(step: ExchangeStep): void {
    if (this.#ended) return;
    switch (step.kind) {
      case 'wait':
        if (this.#exchange.replyProgress === undefined) this.#letGo?.();
        return this.#armDeadline();
      case 'adopt':
        return this.#adopt(step);
      case 'reconnect':
        this.#closeBroker();
        return this.#dialBackend(step);
      case 'answer':
        this.#closeBroker();
        return this.#finish({ kind: 'answered', reply: step.reply });
      case 'failed':
        if (step.replyPending) this.#drainReply();
        else this.#closeBroker();
        return this.#finish({ kind: 'failed', failure: step.failure });
    }
  }

  #adopt({ negotiated, endpoint, residue }: StepTo<'adopt'>): void {
    const socket = this.#detach();
    if (!(socket instanceof Socket)) return;
    socket.ref();
    if (residue.length > 0) socket.unshift(residue);
    this.#finish({ kind: 'connected', socket, endpoint, route: 'handle-passed', negotiated });
  }

  #dialBackend({ negotiated, endpoint }: StepTo<'reconnect'>): void {
    const { roundTripTimeoutMs: timeoutMs, trust } = this.#job;
    const settle = (outcome: DialOutcome): void => {
      if (outcome.kind !== 'connected') {
        const failure = dialFailure('negotiated backend', endpoint, outcome);
        return this.#finish({ kind: 'failed', failure });
      }
      const { socket } = outcome;
      this.#finish({ kind: 'connected', socket, endpoint, route: 'broker-negotiated', negotiated });
    };
    const { native, makeSocket, background } = this.#environment;
    const outcome = dialNow(native, endpoint, trust, makeSocket);
    if (outcome !== undefined) return settle(outcome);
    const clock = this.#clock;
    const deadlineMs = clock.now() + timeoutMs;
    const keepAlive = !background;
    this.#stopDialling = dial({ endpoint, deadlineMs, timeoutMs, clock, trust, keepAlive }, settle);
  }

  /** Takes all listeners of this negotiation off the broker's connection. */
  #detach(): Socket | ReplyChannel | undefined {
    const connection = this.#connection;
    this.#connection = undefined;
    this.#deadline?.cancel();
    this.#letGo?.();
    // One by one: Node closes the socket by listeners of its own.
    if (connection instanceof Socket)
      connection.off('readable', this.#onReadable).off('end', this.#onEnd).off('error', this.#onError);
    return connection;
  }

  #closeBroker(): void {
    const connection = this.#detach();
    if (connection instanceof Socket) connection.on('error', () => {}).destroy();
    else connection?.close();
  }

  #drainReply(): void {
    const connection = this.#detach();
    if (connection === undefined) return;
    drainReply(connection, { ...this.#abandoned, progress: this.#exchange.replyProgress });
  }

  /** A reply keeps the process alive for a second: of a background job from its start, of others from now. */
  get #abandoned(): AbandonedRequest {
    return {
      brokerEndpoint: this.#job.brokerEndpoint,
      sinceMs: this.#environment.background ? startedAtMs(this.#job) : undefined,
    };
  }

  #finish(outcome: Outcome): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#deadline?.cancel();
    this.#stopDialling?.();
    if (outcome.kind === 'failed') this.#exchange.wipe();
    this.#settle(outcome);
  }
}
