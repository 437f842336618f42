import { isUint8Array } from 'node:util/types';
import { abortedError, failOnAbort, hasAborted } from '../abort.js';
import { rejectionOf } from '../caller-stack.js';
import { systemClock } from '../clock.js';
import { DeadlineTimer } from '../deadline-queue.js';
import { BrokerPoolError, invalidArgument } from '../errors.js';
import { described } from '../validation.js';
import { Dispatcher } from './multiplexing/dispatcher.js';
import { PendingRequest, type RequestContent, type RequestState } from './multiplexing/pending-request.js';
import type { Request } from './multiplexing/session-connection.js';
import {
  checkCloseOptions,
  checkRequestOptions,
  type RequestOptions,
  type SessionCloseOptions,
  type SessionSettings,
} from './options.js';
import { queueFullError, requestError, sessionClosedError } from './session-errors.js';
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
      return this.#send(this.#contentOf(payload, options), options);
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

  #contentOf(payload: Uint8Array, options: RequestOptions | undefined): RequestContent {
    const { traceparent, tracestate, payloadProtocol, idempotent } = options ?? {};
    const trace = traceparent === undefined ? activeTraceContext() : undefined;
    return {
      payload,
      payloadProtocol: payloadProtocol ?? this.#settings.payloadProtocol,
      traceparent: traceparent ?? trace?.traceparent ?? '',
      tracestate: tracestate ?? trace?.tracestate ?? '',
      isIdempotent: idempotent ?? false,
    };
  }

  #send(content: RequestContent, options: RequestOptions | undefined): Promise<Uint8Array> {
    return new Promise((resolve) => {
      const request: Request = new PendingRequest(content, systemClock.now(), resolve);
      this.#pending++;
      const { signal, timeoutMs = this.#settings.timeoutMs } = options ?? {};
      if (signal !== undefined && !this.#watch(request, signal)) return;
      if (timeoutMs !== Infinity) {
        request.dueMs = request.startedMs + timeoutMs;
        this.#deadlines.put(request);
      }
      this.#dispatcher.submit(request);
    });
  }

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
    const timeoutMs = Math.round(request.dueMs - request.startedMs);
    const message = `no answer within ${timeoutMs} ms`;
    this.#giveUp(request, new BrokerPoolError('TIMEOUT', message, { phase: 'request' }));
  }

  /** The caller does not wait any more. */
  #giveUp(request: Request, error: BrokerPoolError): void {
    const { state } = request;
    this.#dispatcher.giveUp(request);
    this.#fail(request, error, false, SITUATION[state]);
    this.#onQuieter();
  }

  /** Whether the request goes to another connection: only where its caller allows to repeat it (S-62). */
  #onLost(request: Request, error: BrokerPoolError): boolean {
    if (request.content.isIdempotent && request.attempts < MOST_ATTEMPTS) return true;
    this.#fail(request, error, true);
    return false;
  }

  /** @param isShared other requests fail with the same error */
  #fail(request: Request, failure: BrokerPoolError, isShared: boolean, situation?: string): void {
    const { attempts, startedMs, connection } = request;
    const elapsedMs = systemClock.now() - startedMs;
    const endpoint = connection?.endpoint ?? this.#source.target.endpoint;
    const target = { ...this.#source.target, endpoint };
    const error = requestError(failure, { target, attempts, elapsedMs, situation }, isShared);
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

const SITUATION: Readonly<Record<RequestState, string | undefined>> = {
  queued: 'waiting for a connection',
  assigned: 'waiting to be sent',
  written: 'sent and not answered',
  settled: undefined,
};
