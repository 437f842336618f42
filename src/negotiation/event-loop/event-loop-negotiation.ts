import type { Socket } from 'node:net';
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
  type SocketMaker,
} from '../sockets/dial.js';
import type { Exchange, ExchangeStep } from '../exchange/exchange.js';
import { exchangeFor, startedAtMs, type Job, type Outcome } from '../job.js';
import {
  holdForReply,
  streamConnection,
  unansweredFailure,
  type BrokerConnection,
} from '../sockets/broker-requests.js';
import { drainReply, type AbandonedRequest } from '../sockets/drain-reply.js';

type StepTo<Kind extends ExchangeStep['kind']> = Extract<ExchangeStep, { readonly kind: Kind }>;

/** One job of the event-loop driver, from its connect to its outcome. */
export class EventLoopNegotiation {
  /** Where the driver keeps it. */
  index = -1;
  readonly #job: Job;
  readonly #clock: Clock;
  readonly #native: Native | undefined;
  readonly #background: boolean;
  readonly #makeSocket: SocketMaker | undefined;
  readonly #settle: (outcome: Outcome) => void;
  readonly #exchange: Exchange;
  /** Whether the connection to the broker may become the caller's, a stream like any other. */
  readonly #mayAdopt: boolean;
  /** The connection to the broker while its reply is awaited. */
  #connection: BrokerConnection | undefined;
  #stopDialling: (() => void) | undefined;
  #deadline: Deadline | undefined;
  /** Lets the process end before the broker has replied. */
  #letGo: (() => void) | undefined;
  /** The deadline that the timer is set to. */
  #armedForMs: number | undefined;
  #ended = false;
  readonly #onBytes = (bytes: Uint8Array): void =>
    this.#follow(this.#exchange.receive(bytes, this.#clock.now()));
  readonly #onEnd = (failure?: SystemFailure): void => this.#follow(this.#exchange.end(failure));

  /**
   * @param background it keeps the process alive for a second at most, for the broker's sake
   * @param makeSocket makes the socket of a backend that is dialled on the spot; `undefined`: a `net.Socket`
   */
  constructor(
    job: Job,
    clock: Clock,
    native: Native | undefined,
    background: boolean,
    makeSocket: SocketMaker | undefined,
    settle: (outcome: Outcome) => void,
  ) {
    this.#job = job;
    this.#clock = clock;
    this.#native = native;
    this.#background = background;
    this.#makeSocket = makeSocket;
    this.#settle = settle;
    this.#exchange = exchangeFor(job);
    this.#mayAdopt = job.kind === 'handshake' && job.adoptHandedOffConnection;
  }

  begin(): void {
    const { brokerEndpoint, trust } = this.#job;
    const unanswered = unansweredFailure(brokerEndpoint);
    if (unanswered !== undefined) return this.#failLater(unanswered);
    const problem = checkFile(brokerEndpoint, trust);
    if (problem !== undefined) return this.#refuse(untrusted(brokerEndpoint, problem));
    // A worker thread can be terminated at any moment: a descriptor that is not Node's would be lost.
    const native = this.#native;
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
    const isSent = sent === request.length;
    const { system } = native;
    if (isSent && !this.#mayAdopt && hasPipes()) {
      const channel = ReplyChannel.over(system, descriptor, this.#onBytes, this.#onEnd);
      if (channel !== undefined) return this.#await(channel);
    }
    const socket = socketOver(system, descriptor);
    if (socket instanceof Error) return this.#refuse(systemFailureOf(socket));
    this.#await(streamConnection(socket, this.#onBytes, this.#onEnd));
    if (isSent) return;
    if (sent >= 0 || wouldBlock(sent)) {
      // Half a request must not stay on the line (V-31).
      socket.write(request.subarray(Math.max(sent, 0)));
      return;
    }
    const failure = systemFailure('send', sent, endpoint);
    this.#clock.afterTurn(() => this.#follow(this.#exchange.end(failure)));
  }

  #refuse(system: SystemFailure): void {
    this.#failLater(connectFailure('broker', this.#job.brokerEndpoint, system));
  }

  #failLater(failure: Failure): void {
    this.#clock.afterTurn(() => this.#finish({ kind: 'failed', failure }));
  }

  #dialBroker(): void {
    const { brokerEndpoint: endpoint, request, deadlineMs, roundTripTimeoutMs: timeoutMs, trust } = this.#job;
    const native = this.#native;
    const background = this.#background;
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
      drainReply(streamConnection(socket), this.#abandoned);
    };
    const keepAlive = !background;
    const clock = this.#clock;
    const options = { endpoint, deadlineMs, timeoutMs, clock, trust, keepAlive, onCalled, onLateConnect };
    this.#stopDialling = dial(options, (outcome) => {
      if (outcome.kind !== 'connected')
        return this.#finish({ kind: 'failed', failure: dialFailure('broker', endpoint, outcome) });
      const { socket } = outcome;
      this.#await(streamConnection(socket, this.#onBytes, this.#onEnd));
      if (sent < request.length) socket.write(request.subarray(sent));
    });
  }

  #await(connection: BrokerConnection): void {
    this.#connection = connection;
    if (this.#background) {
      connection.unref();
      this.#letGo = holdForReply(this.#job.brokerEndpoint, startedAtMs(this.#job));
    }
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
        this.#endWait()?.close();
        return this.#dialBackend(step);
      case 'answer':
        this.#endWait()?.close();
        return this.#finish({ kind: 'answered', reply: step.reply });
      case 'failed':
        if (step.replyPending) this.#drainReply();
        else this.#endWait()?.close();
        return this.#finish({ kind: 'failed', failure: step.failure });
    }
  }

  #adopt({ negotiated, endpoint, residue }: StepTo<'adopt'>): void {
    const socket = this.#endWait()?.detach();
    if (socket === undefined) return;
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
    const native = this.#native;
    const makeSocket = this.#makeSocket;
    const background = this.#background;
    const outcome = dialNow(native, endpoint, trust, makeSocket);
    if (outcome !== undefined) return settle(outcome);
    const clock = this.#clock;
    const deadlineMs = clock.now() + timeoutMs;
    const keepAlive = !background;
    this.#stopDialling = dial({ endpoint, deadlineMs, timeoutMs, clock, trust, keepAlive }, settle);
  }

  /** Ends the wait for the broker. Its connection, if there is one, is then another's to close. */
  #endWait(): BrokerConnection | undefined {
    const connection = this.#connection;
    this.#connection = undefined;
    this.#deadline?.cancel();
    this.#letGo?.();
    return connection;
  }

  #drainReply(): void {
    const connection = this.#endWait();
    if (connection === undefined) return;
    drainReply(connection, { ...this.#abandoned, progress: this.#exchange.replyProgress });
  }

  /** A reply keeps the process alive for a second: of a background job from its start, of others from now. */
  get #abandoned(): AbandonedRequest {
    return {
      brokerEndpoint: this.#job.brokerEndpoint,
      sinceMs: this.#background ? startedAtMs(this.#job) : undefined,
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
