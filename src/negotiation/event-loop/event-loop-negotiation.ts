import type { Socket } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import type { Clock, Deadline } from '../../clock.js';
import type { Failure } from '../../errors.js';
import { connectAndSend } from '../../os/socket.js';
import { checkFile, checkPeer, untrusted } from '../../os/endpoint-trust.js';
import { systemFailure, wouldBlock } from '../../os/errno.js';
import type { Native } from '../../os/native.js';
import { descriptorOf } from '../../os/socket-handle.js';
import { abandonedFailure, connectFailure } from '../connect-failures.js';
import {
  dial,
  dialFailure,
  dialNow,
  socketOver,
  systemFailureOf,
  type DialOutcome,
  type Tap,
} from '../sockets/dial.js';
import type { Exchange, ExchangeStep } from '../exchange/exchange.js';
import { exchangeFor, startedAtMs, type Job, type Outcome } from '../job.js';
import {
  holdForReply,
  replyDrain,
  drainReply,
  unansweredFailure,
  type AbandonedRequest,
} from '../sockets/drain-reply.js';

type StepTo<Kind extends ExchangeStep['kind']> = Extract<ExchangeStep, { readonly kind: Kind }>;

/** One job of the event-loop driver, from its connect to its outcome. */
export class EventLoopNegotiation {
  readonly #job: Job;
  readonly #clock: Clock;
  readonly #native: Native | undefined;
  readonly #background: boolean;
  readonly #settle: (outcome: Outcome) => void;
  readonly #exchange: Exchange;
  #socket: Socket | undefined;
  #stopDialling: () => void = () => {};
  #deadline: Deadline | undefined;
  #letGo: () => void = () => {};
  /** The deadline that the timer is set to. */
  #armedForMs: number | undefined;
  #ended = false;
  /** Where the bytes go that do not pass through a stream; `undefined` until there is such a socket. */
  #tap: Tap | undefined;
  readonly #onReadable = (): void => this.#read();
  readonly #onEnd = (): void => this.#follow(this.#exchange.end());
  readonly #onError = (error: Error): void => this.#follow(this.#exchange.end(systemFailureOf(error)));

  /**
   * @param background leaves it to others to keep the process alive for this job, but for a moment for the
   * broker's sake
   */
  constructor(
    job: Job,
    clock: Clock,
    native: Native | undefined,
    background: boolean,
    settle: (outcome: Outcome) => void,
  ) {
    this.#job = job;
    this.#clock = clock;
    this.#native = native;
    this.#background = background;
    this.#settle = settle;
    this.#exchange = exchangeFor(job);
  }

  begin(): void {
    const { brokerEndpoint, trust } = this.#job;
    const unanswered = unansweredFailure(brokerEndpoint);
    if (unanswered !== undefined) return this.#failLater(unanswered);
    const problem = checkFile(brokerEndpoint, trust);
    if (problem !== undefined)
      return this.#failLater(connectFailure(false, brokerEndpoint, untrusted(brokerEndpoint, problem)));
    // A worker thread can be terminated at any moment: a descriptor that is not Node's would be lost.
    if (this.#native === undefined || !isMainThread || !this.#connectAndSend(this.#native))
      this.#dialBroker();
  }

  release(): void {
    if (this.#ended) return;
    const failure = abandonedFailure(this.#job);
    if (this.#socket === undefined) this.#finish({ kind: 'failed', failure });
    else this.#follow({ kind: 'failed', failure, replyPending: this.#exchange.replyProgress !== undefined });
  }

  /**
   * Sends the request together with the connect. Returns false where the backlog is full: dialling tries
   * again.
   */
  #connectAndSend(native: Native): boolean {
    const { brokerEndpoint: endpoint, trust } = this.#job;
    const attempt = connectAndSend(native, endpoint, this.#exchange.request);
    if (attempt.descriptor === undefined) {
      const { syscall, result } = attempt;
      if (syscall === 'connect' && wouldBlock(result)) return false;
      this.#failLater(connectFailure(false, endpoint, systemFailure(syscall, result, endpoint)));
      return true;
    }
    const stranger = checkPeer(attempt.descriptor, trust);
    if (stranger !== undefined) {
      native.system.close(attempt.descriptor);
      this.#failLater(connectFailure(false, endpoint, untrusted(endpoint, stranger)));
      return true;
    }
    const socket = this.#brokerSocket(native, attempt.descriptor);
    if (socket instanceof Error) {
      this.#failLater(connectFailure(false, endpoint, systemFailureOf(socket)));
      return true;
    }
    this.#listen(socket);
    this.#sendRest(socket, attempt.sent);
    return true;
  }

  /** A connection that may be adopted becomes the caller's, and must be a stream like any other. */
  #brokerSocket({ system }: Native, descriptor: number): Socket | Error {
    const job = this.#job;
    if (job.kind === 'handshake' && job.adoptHandedOffConnection) return socketOver(system, descriptor);
    this.#tap = (bytes) => this.#follow(this.#exchange.receive(bytes, this.#clock.now()));
    return socketOver(system, descriptor, (bytes) => this.#tap?.(bytes));
  }

  /**
   * What the system did not take at once follows as soon as it does: half a request must not stay on the line
   * (V-31).
   */
  #sendRest(socket: Socket, sent: number): void {
    const { request } = this.#exchange;
    if (sent === request.length) return;
    if (sent >= 0 || wouldBlock(sent)) {
      socket.write(request.subarray(Math.max(sent, 0)));
      return;
    }
    const failure = systemFailure('send', sent, this.#job.brokerEndpoint);
    this.#clock.afterTurn(() => this.#follow(this.#exchange.end(failure)));
  }

  #failLater(failure: Failure): void {
    this.#clock.afterTurn(() => this.#finish({ kind: 'failed', failure }));
  }

  #dialBroker(): void {
    const { brokerEndpoint: endpoint, deadlineMs, roundTripTimeoutMs: timeoutMs, trust } = this.#job;
    const { request } = this.#exchange;
    let sent = 0;
    const onCalled = (socket: Socket): void => {
      sent = this.#sendAtOnce(socket);
    };
    const onLateConnect = (socket: Socket): void =>
      sayHelloForNobody(socket, request.subarray(sent), this.#abandoned);
    const keepAlive = !this.#background;
    const options = {
      endpoint,
      deadlineMs,
      timeoutMs,
      clock: this.#clock,
      trust,
      keepAlive,
      onCalled,
      onLateConnect,
    };
    this.#stopDialling = dial(options, (outcome) => {
      if (outcome.kind !== 'connected')
        return this.#finish({ kind: 'failed', failure: dialFailure(false, endpoint, outcome) });
      this.#listen(outcome.socket);
      if (sent < request.length) outcome.socket.write(request.subarray(sent));
    });
  }

  /**
   * Sends the request right behind the connect, where the kernel has made it: Node tells of it in a later
   * turn, and a broker that finds nothing sleeps 5 ms (V-21). Returns how many bytes are gone.
   */
  #sendAtOnce(socket: Socket): number {
    const descriptor = this.#native === undefined ? -1 : descriptorOf(socket);
    if (this.#native === undefined || descriptor < 0 || checkPeer(descriptor, this.#job.trust) !== undefined)
      return 0;
    return Math.max(0, this.#native.system.send(descriptor, this.#exchange.request));
  }

  #listen(socket: Socket): void {
    this.#socket = socket;
    if (this.#background) {
      socket.unref();
      this.#letGo = holdForReply(this.#job.brokerEndpoint, startedAtMs(this.#job));
    }
    if (this.#tap === undefined) socket.on('readable', this.#onReadable);
    socket.on('end', this.#onEnd).on('error', this.#onError);
    this.#armDeadline();
  }

  /**
   * 'readable' and not 'data': a socket that has flowed would drop what arrives before its next owner
   * listens.
   */
  #read(): void {
    while (this.#socket !== undefined) {
      const chunk: Buffer | null = this.#socket.read();
      if (chunk === null) return;
      const step = this.#exchange.receive(chunk, this.#clock.now());
      // There may be a token in it.
      chunk.fill(0);
      this.#follow(step);
    }
  }

  /**
   * Once for each deadline: a timer that is set anew with every piece never comes due while pieces follow
   * each other fast enough.
   */
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
        if (this.#exchange.replyProgress === undefined) this.#letGo();
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
    if (socket === undefined) return;
    socket.ref();
    if (residue.length > 0) socket.unshift(residue);
    this.#finish({ kind: 'connected', socket, endpoint, route: 'handle-passed', negotiated });
  }

  #dialBackend({ negotiated, endpoint }: StepTo<'reconnect'>): void {
    const settle = (outcome: DialOutcome): void => {
      if (outcome.kind === 'connected') {
        return this.#finish({
          kind: 'connected',
          socket: outcome.socket,
          endpoint,
          route: 'broker-negotiated',
          negotiated,
        });
      }
      this.#finish({ kind: 'failed', failure: dialFailure(true, endpoint, outcome) });
    };
    const outcome = dialNow(this.#native, endpoint, this.#job.trust);
    if (outcome !== undefined) return settle(outcome);
    const timeoutMs = this.#job.roundTripTimeoutMs;
    const deadlineMs = this.#clock.now() + timeoutMs;
    const { trust } = this.#job;
    this.#stopDialling = dial(
      { endpoint, deadlineMs, timeoutMs, clock: this.#clock, trust, keepAlive: !this.#background },
      settle,
    );
  }

  /** Lets go of the broker's connection: nothing of this negotiation listens to it any more. */
  #detach(): Socket | undefined {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#deadline?.cancel();
    this.#letGo();
    // One by one: removing all would take away those by which Node closes the socket.
    socket?.off('readable', this.#onReadable).off('end', this.#onEnd).off('error', this.#onError);
    return socket;
  }

  #closeBroker(): void {
    this.#detach()
      ?.on('error', () => {})
      .destroy();
  }

  #drainReply(): void {
    const socket = this.#detach();
    if (socket === undefined) return;
    const request = { ...this.#abandoned, progress: this.#exchange.replyProgress };
    if (this.#tap === undefined) drainReply(socket, request);
    else this.#tap = replyDrain(socket, request);
  }

  /**
   * What a caller waited for keeps the process alive a little longer; what no caller may have waited for has
   * had its time.
   */
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
    this.#stopDialling();
    if (outcome.kind === 'failed') this.#exchange.wipe();
    this.#settle(outcome);
  }
}

/**
 * A connect that comes through when its job has ended. A broker takes a bare connect and hang-up as badly as
 * a hang-up in mid-Hello (V-31): it gets the rest of the request and is read to its reply.
 */
function sayHelloForNobody(socket: Socket, rest: Uint8Array, abandoned: AbandonedRequest): void {
  if (rest.length > 0) socket.write(rest);
  drainReply(socket, abandoned);
}
