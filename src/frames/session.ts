import { isUint8Array } from 'node:util/types';
import { abortedError, failOnAbort, hasAborted } from '../abort.js';
import { systemClock } from '../clock.js';
import { BrokerPoolError, invalidArgument } from '../errors.js';
import { adviceFor } from '../explained-error.js';
import { described } from '../validation.js';
import { Dispatcher } from './multiplexing/dispatcher.js';
import { OpenRequests } from './multiplexing/open-requests.js';
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
  POOL_FULL,
  queueFullError,
  requestError,
  requestTimeoutError,
  sessionClosedError,
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
  readonly #requests: OpenRequests;
  #isOpen = true;
  #closing: Promise<void> | undefined;
  #limitAtMs = Infinity;
  #cancelLimit = (): void => {};

  /** @internal */
  constructor(source: ConnectionSource, settings: SessionSettings) {
    this.#source = source;
    this.#settings = settings;
    const { connections, maxInFlight, pipelining = maxInFlight } = settings;
    this.#maxInFlight = pipelining;
    this.#requests = new OpenRequests(source.target, (request) => this.#onDeadline(request));
    this.#dispatcher = new Dispatcher(
      source,
      {
        connections,
        maxInFlight: this.#maxInFlight,
        returnAtOnce: settings.pipelining === 1 && source.isShared,
      },
      systemClock,
      this.#requests,
    );
  }

  /**
   * Sends a request and resolves with the payload of the answer, which belongs to the caller. The bytes of
   * `payload` must not change until then: long ones are not copied.
   *
   * @throws {BrokerPoolError} `TIMEOUT` (phase `request`), `ABORTED`, `SESSION_CLOSED`, `QUEUE_FULL`,
   * `INVALID_ARGUMENT`, `FRAME_TOO_LARGE`; `UNEXPECTED_EOF` or `FRAME_IO` when the connection died before the
   * answer, and `POOL_CLOSED` when its pool ended; `FRAMING_VERSION`, `DECODE_FRAME` or `UNEXPECTED_RESPONSE_FRAME`
   * when the backend sent bytes that are no answer; or why connecting failed
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
    this.#closing ??= this.#requests.ended().then(() => this.#end(sessionClosedError()));
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #admit(): void {
    const { maxWaiting, connections } = this.#settings;
    const hasRoom = this.#requests.size < connections * this.#maxInFlight + maxWaiting;
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
      this.#requests.size++;
      const { signal } = options;
      if (signal !== undefined && !this.#watch(request, signal)) return;
      this.#requests.start(request);
      this.#dispatcher.submit(request);
    });
  }

  /** Whether the request may go on. */
  #watch(request: Request, signal: AbortSignal): boolean {
    const fail = (error: BrokerPoolError): void => {
      if (error.code === 'ABORTED') this.#giveUp(request, error);
      else this.#requests.fail(request, error, false);
    };
    if (hasAborted(signal)) fail(abortedError(signal, ABORTED));
    else request.stopListening = failOnAbort(signal, ABORTED, fail);
    return request.state !== 'settled';
  }

  #onDeadline(request: Request): void {
    const { state, timeoutMs } = request;
    const isUnserved = state === 'queued' && this.#dispatcher.connections === 0;
    // Before it is given up: without a request the session does not wait for the pool any more.
    const wait = isUnserved ? this.#source.explainWait?.(timeoutMs) : undefined;
    this.#giveUp(request, requestTimeoutError(timeoutMs, wait));
  }

  /** The caller does not wait any more. */
  #giveUp(request: Request, error: BrokerPoolError): void {
    const { state } = request;
    this.#dispatcher.giveUp(request);
    const advice = error.code === 'TIMEOUT' ? this.#timeoutAdvice(state, error.cause) : undefined;
    this.#requests.fail(request, error, false, { situation: SITUATION[state], advice });
  }

  #timeoutAdvice(state: RequestState, wait: unknown): string | undefined {
    if (state !== 'queued') return undefined;
    if (wait instanceof BrokerPoolError) return wait.phase === 'queue' ? POOL_FULL : adviceFor(wait);
    return this.#dispatcher.connections > 0 ? ALL_BUSY : NO_CONNECTION;
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
    this.#requests.stop();
  }
}

const SITUATION: Readonly<Record<RequestState, string | undefined>> = {
  queued: 'waiting for a connection and not sent',
  assigned: 'waiting to be sent',
  written: 'sent and not answered',
  settled: undefined,
};
