import { isUint8Array } from 'node:util/types';
import { abortedError, failOnAbort, hasAborted } from '../abort.js';
import { rejectionOf } from '../caller-stack.js';
import { afterPromises, systemClock } from '../clock.js';
import { DeadlineTimer } from '../deadline-queue.js';
import { BrokerPoolError, invalidArgument } from '../errors.js';
import { described } from '../validation.js';
import { Dispatcher } from './multiplexing/dispatcher.js';
import { PendingRequest, type RequestState } from './multiplexing/pending-request.js';
import type { Request } from './multiplexing/session-connection.js';
import {
  checkCloseOptions,
  checkRequestOptions,
  type RequestOptions,
  type SessionCloseOptions,
  type SessionSettings,
} from './options.js';
import {
  ALL_BUSY,
  NO_CONNECTION,
  queueFullError,
  requestError,
  sessionClosedError,
  type RequestFacts,
} from './session-errors.js';
import type { ConnectionSource } from './sources/connection-source.js';
import { activeTraceContext } from './trace-context.js';

/** Counts of a session. */
export interface SessionStats {
  /** Connections that the session holds. */
  readonly connections: number;
  /** Requests that wait for a connection with room. */
  readonly waiting: number;
  /** Requests on connections whose callers wait. */
  readonly inFlight: number;
  /** Requests whose callers have given up while the answer is owed. */
  readonly abandoned: number;
  /** Frames so far that were no answer to a waiting request: events, late and doubled answers. */
  readonly unaskedFrames: number;
}

/** How often an idempotent request is sent at most. */
const MOST_ATTEMPTS = 3;
const ABORTED = 'the request was aborted';

/**
 * Requests and answers over a few connections to a backend, many at a time. A session without requests holds no
 * connection for long, and does not keep the process alive.
 */
export class Session implements AsyncDisposable {
  readonly #settings: SessionSettings;
  readonly #source: ConnectionSource;
  readonly #maxInFlight: number;
  readonly #dispatcher: Dispatcher;
  readonly #deadlines = new DeadlineTimer<Request>(systemClock, (request) => this.#onDeadline(request));
  /** Requests of this turn. Their time begins when it ends, so that the clock is read once for all of them. */
  readonly #begun: Request[] = [];
  #pending = 0;
  #isOpen = true;
  #closing: Promise<void> | undefined;
  #onQuiet = (): void => {};
  #limitAtMs = Infinity;
  #cancelLimit = (): void => {};

  /** @internal */
  constructor(source: ConnectionSource, settings: SessionSettings) {
    this.#source = source;
    this.#settings = settings;
    const { connections, maxInFlight, pipelining = maxInFlight } = settings;
    this.#maxInFlight = Math.min(maxInFlight, pipelining);
    this.#dispatcher = new Dispatcher(
      source,
      {
        connections,
        maxInFlight: this.#maxInFlight,
        returnAtOnce: settings.pipelining === 1 && source.isShared,
      },
      systemClock,
      {
        onAnswer: (request, payload) => this.#settle(request, payload),
        onFailure: (request, error) => this.#fail(request, error, true),
        onLost: (request, error) => this.#onLost(request, error),
        onQuieter: () => this.#onQuieter(),
      },
    );
  }

  /**
   * Sends a request and resolves with the payload of the answer, which belongs to the caller. The bytes of
   * `payload` must not change until then: long ones are not copied.
   *
   * @throws {BrokerPoolError} `TIMEOUT` (phase `request`), `ABORTED`, `SESSION_CLOSED`, `QUEUE_FULL`,
   * `INVALID_ARGUMENT`, `FRAME_TOO_LARGE`; `UNEXPECTED_EOF` or `FRAME_IO` when the connection died before the
   * answer; `FRAMING_VERSION`, `DECODE_FRAME` or `UNEXPECTED_RESPONSE_FRAME` when the backend sent what is no
   * answer; or why connecting failed
   */
  request(payload: Uint8Array, options?: RequestOptions): Promise<Uint8Array> {
    try {
      if (!isUint8Array(payload))
        throw invalidArgument('payload', `must be a Uint8Array, got ${described(payload)}`);
      if (options !== undefined) checkRequestOptions(options);
      this.#admit();
      return this.#send(payload, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Counts of now; a frozen snapshot. */
  stats(): SessionStats {
    const { connections, queued, inFlight, abandoned, unaskedFrames } = this.#dispatcher;
    return Object.freeze({ connections, waiting: queued, inFlight, abandoned, unaskedFrames });
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return !this.#isOpen;
  }

  /**
   * Ends the session: from now on `request` rejects with `SESSION_CLOSED`. Waits for the answers of requests that
   * were made before, `timeoutMs` at most; then those fail with `SESSION_CLOSED` as well. Connections of a pool go
   * back to it unless they owe an answer. The pool stays open. Idempotent; a later call may shorten the time.
   *
   * @throws {BrokerPoolError} `INVALID_ARGUMENT`
   */
  async close(options: SessionCloseOptions = {}): Promise<void> {
    const limitMs = checkCloseOptions(options);
    this.#isOpen = false;
    this.#limit(limitMs);
    this.#closing ??= new Promise<void>((resolve) => {
      this.#onQuiet = resolve;
    }).then(() => this.#end(sessionClosedError()));
    this.#onQuieter();
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #admit(): void {
    const { maxWaiting, connections } = this.#settings;
    const hasRoom = this.#pending < connections * this.#maxInFlight + maxWaiting;
    if (this.#isOpen && hasRoom) return;
    const failure = this.#isOpen ? queueFullError(maxWaiting) : sessionClosedError();
    const { queued, inFlight } = this.#dispatcher;
    const situation = `waiting ${queued}, in flight ${inFlight}`;
    throw requestError(failure, { target: this.#source.target, attempts: 0, elapsedMs: 0, situation }, false);
  }

  #send(payload: Uint8Array, options: RequestOptions = {}): Promise<Uint8Array> {
    const { payloadProtocol = this.#settings.payloadProtocol, timeoutMs = this.#settings.timeoutMs } =
      options;
    return new Promise((resolve) => {
      const request: Request = new PendingRequest(payload, payloadProtocol, timeoutMs, resolve);
      const trace = options.traceparent === undefined ? activeTraceContext() : undefined;
      request.traceparent = options.traceparent ?? trace?.traceparent ?? '';
      request.tracestate = options.tracestate ?? trace?.tracestate ?? '';
      request.isIdempotent = options.idempotent ?? false;
      this.#pending++;
      const { signal } = options;
      if (signal !== undefined && !this.#watch(request, signal)) return;
      if (this.#begun.push(request) === 1) afterPromises(this.#startTimes);
      this.#dispatcher.submit(request);
    });
  }

  readonly #startTimes = (): void => {
    const nowMs = systemClock.now();
    for (const request of this.#begun) {
      if (request.state === 'settled') continue;
      request.startedMs = nowMs;
      if (request.timeoutMs === Infinity) continue;
      request.dueMs = nowMs + request.timeoutMs;
      this.#deadlines.put(request);
    }
    this.#begun.length = 0;
  };

  /** Whether the request may go on. */
  #watch(request: Request, signal: AbortSignal): boolean {
    const fail = (error: BrokerPoolError): void => {
      if (error.code === 'ABORTED') this.#giveUp(request, error);
      else this.#fail(request, error, false);
    };
    if (hasAborted(signal)) fail(abortedError(signal, ABORTED));
    else request.stopListening = failOnAbort(signal, ABORTED, fail);
    return request.state !== 'settled';
  }

  #onDeadline(request: Request): void {
    const message = `no answer within ${request.timeoutMs} ms`;
    this.#giveUp(request, new BrokerPoolError('TIMEOUT', message, { phase: 'request' }));
  }

  /** The caller does not wait any more. */
  #giveUp(request: Request, error: BrokerPoolError): void {
    const { state } = request;
    this.#dispatcher.giveUp(request);
    const advice = error.code === 'TIMEOUT' ? this.#timeoutAdvice(state) : undefined;
    this.#fail(request, error, false, { situation: SITUATION[state], advice });
    this.#onQuieter();
  }

  /** Whether the request goes to another connection: only where its caller allows to repeat it (S-62). */
  #onLost(request: Request, error: BrokerPoolError): boolean {
    if (request.isIdempotent && request.attempts < MOST_ATTEMPTS) return true;
    this.#fail(request, error, true);
    return false;
  }

  #timeoutAdvice(state: RequestState): string | undefined {
    if (state !== 'queued') return undefined;
    return this.#dispatcher.connections > 0 ? ALL_BUSY : NO_CONNECTION;
  }

  /** @param isShared other requests fail with the same error */
  #fail(request: Request, failure: BrokerPoolError, isShared: boolean, more: MoreFacts = {}): void {
    const { attempts, startedMs, connection, isIdempotent } = request;
    const elapsedMs = Math.max(systemClock.now() - startedMs, 0);
    const endpoint = connection?.endpoint ?? this.#source.target.endpoint;
    const target = { ...this.#source.target, endpoint };
    const facts = { target, attempts, elapsedMs, isIdempotent, ...more };
    const error = requestError(failure, facts, isShared);
    this.#settle(request, rejectionOf(error));
  }

  #settle(request: Request, outcome: Uint8Array | Promise<never>): void {
    request.state = 'settled';
    this.#pending--;
    if (request.dueMs !== Infinity) this.#deadlines.remove(request);
    request.stopListening?.();
    request.settle(outcome);
  }

  #onQuieter(): void {
    if (!this.#isOpen && this.#pending === 0) this.#onQuiet();
  }

  #limit(limitMs: number): void {
    const atMs = systemClock.now() + limitMs;
    if (atMs >= this.#limitAtMs) return;
    this.#limitAtMs = atMs;
    this.#cancelLimit();
    const message = `the session closed, and the answer did not come within ${limitMs} ms`;
    // Keeps the process alive for the caller of `close`.
    const limit = systemClock.deadline(limitMs, () => this.#end(sessionClosedError(message)), true);
    this.#cancelLimit = () => limit.cancel();
  }

  #end(error: BrokerPoolError): void {
    this.#cancelLimit();
    this.#dispatcher.close(error);
    this.#deadlines.stop();
    this.#onQuiet();
  }
}

/** What the session tells about a failure beside the request. */
type MoreFacts = Pick<RequestFacts, 'situation' | 'advice'>;

const SITUATION: Readonly<Record<RequestState, string | undefined>> = {
  queued: 'waiting for a connection',
  assigned: 'waiting to be sent',
  written: 'sent and not answered',
  settled: undefined,
};
