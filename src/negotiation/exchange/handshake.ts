import { timingSafeEqual } from 'node:crypto';
import {
  BrokerPoolError,
  printable,
  type Failure,
  type RefusalKind,
  type SystemFailure,
} from '../../errors.js';
import { parseEndpoint } from '../../endpoint.js';
import { checkEnvelope } from '../../wire/envelope.js';
import { FrameDecoder, type FrameProgress } from '../../wire/frame.js';
import {
  CAPABILITY_HANDLE_PASSING,
  decodeFrame,
  decodeHandoffAck,
  decodeHelloReply,
  FrameKind,
  PayloadProtocol,
  RefusalCode,
  type Frame,
  type Negotiated,
  type Refused,
} from '../../wire/messages.js';
import { endFailure, failureOf, WAIT, type Exchange, type ExchangeStep } from './exchange.js';

/** The settings of a handshake, and its Hello. */
export interface HandshakeOptions {
  /** The Hello as one wire buffer, see `encodeHelloFrame`. */
  readonly request: Uint8Array;
  /** For messages only. */
  readonly brokerEndpoint: string;
  /** When the reply must have arrived, on the monotonic clock. */
  readonly deadlineMs: number;
  /** For messages only: how long the caller allowed for the round trip. */
  readonly roundTripTimeoutMs: number;
  /** Wait for the handoff-ready event and keep the connection (C-40). */
  readonly adoptHandedOffConnection: boolean;
  /** How long that wait may take, counted from the reply (C-42). */
  readonly handoffReadyTimeoutMs: number;
}

/**
 * The client's side of a Hello: reply, then where wanted the handoff-ready event, as a state machine without
 * I/O.
 *
 * The order of checks is the protocol's (W-50, C-10): framing, Frame, envelope, HelloReply, refusal; then the
 * handoff wait (C-40); then the checks of `backendPipe`, which an adopted connection never meets (C-17).
 * Every failure of the handoff wait is a silent downgrade to `backendPipe` (C-45).
 */
export class Handshake implements Exchange {
  readonly request: Uint8Array;
  deadlineMs: number;
  readonly #options: HandshakeOptions;
  readonly #decoder = new FrameDecoder();
  #replied = false;
  /** Set once the reply is in. */
  #negotiated: Negotiated | undefined;
  /** Set once the handoff-ready event is awaited. */
  #awaitingReady: Negotiated | undefined;

  constructor(options: HandshakeOptions) {
    this.#options = options;
    this.request = options.request;
    this.deadlineMs = options.deadlineMs;
  }

  get replyProgress(): FrameProgress | undefined {
    return this.#replied ? undefined : this.#decoder.progress();
  }

  receive(chunk: Uint8Array, nowMs: number): ExchangeStep {
    this.#decoder.push(chunk);
    for (;;) {
      let body: Uint8Array | undefined;
      try {
        body = this.#decoder.read();
      } catch (error) {
        return this.#awaitingReady === undefined ? this.#fail(error) : this.#reconnect(this.#awaitingReady);
      }
      if (body === undefined) return WAIT;
      const step =
        this.#awaitingReady === undefined
          ? this.#onReply(body, nowMs)
          : this.#onReady(body, this.#awaitingReady);
      if (step !== WAIT) return step;
    }
  }

  end(system?: SystemFailure): ExchangeStep {
    if (this.#awaitingReady !== undefined) return this.#reconnect(this.#awaitingReady);
    const eof = this.#decoder.endOfInput();
    const failure = endFailure(
      { code: eof.code, message: eof.message },
      this.#options.brokerEndpoint,
      system,
    );
    return { kind: 'failed', failure, replyPending: false };
  }

  expire(): ExchangeStep {
    if (this.#awaitingReady !== undefined) return this.#reconnect(this.#awaitingReady);
    const { brokerEndpoint, roundTripTimeoutMs } = this.#options;
    const message = `broker did not answer the Hello within ${roundTripTimeoutMs} ms`;
    const failure: Failure = { code: 'TIMEOUT', phase: 'hello', message, endpoint: brokerEndpoint };
    return { kind: 'failed', failure, replyPending: true };
  }

  wipe(): void {
    this.#decoder.wipe();
    this.#negotiated?.handlePassedToken.fill(0);
  }

  #onReply(body: Uint8Array, nowMs: number): ExchangeStep {
    this.#replied = true;
    try {
      const reply = reading(body, (frame) => {
        const problem = checkEnvelope(frame, { kind: FrameKind.RESPONSE, protocol: PayloadProtocol.CONTROL });
        if (problem === undefined) return decodeHelloReply(frame.payload);
        throw new BrokerPoolError(
          'UNEXPECTED_RESPONSE_FRAME',
          `unexpected broker response frame: ${problem}`,
        );
      });
      if (reply.result === undefined) {
        throw new BrokerPoolError('MISSING_HELLO_REPLY_RESULT', 'broker sent a HelloReply without a result');
      }
      if (reply.result.kind === 'refused') return this.#refuse(reply.result.refused);
      const { negotiated } = reply.result;
      this.#negotiated = negotiated;
      // C-40: the caller opted in, the server can hand over, and there is a token to recognise the event by.
      if (!this.#options.adoptHandedOffConnection || !offersHandoff(negotiated))
        return this.#reconnect(negotiated);
      this.#awaitingReady = negotiated;
      this.deadlineMs = nowMs + this.#options.handoffReadyTimeoutMs;
      return WAIT;
    } catch (error) {
      return this.#fail(error);
    }
  }

  #onReady(body: Uint8Array, negotiated: Negotiated): ExchangeStep {
    try {
      if (!reading(body, (frame) => isReady(frame, negotiated.handlePassedToken)))
        return this.#reconnect(negotiated);
    } catch {
      return this.#reconnect(negotiated);
    }
    const named = parseEndpoint(negotiated.backendPipe);
    const residue = this.#decoder.residue();
    this.#decoder.wipe();
    return { kind: 'adopt', negotiated, endpoint: 'endpoint' in named ? named.endpoint : '', residue };
  }

  /**
   * Leaves the broker's connection for a new one to the backend; the checks of its endpoint come last (C-17).
   */
  #reconnect(negotiated: Negotiated): ExchangeStep {
    this.#decoder.wipe();
    if (negotiated.backendPipe === '') {
      return this.#fail(
        new BrokerPoolError('EMPTY_BACKEND_PIPE', 'broker negotiated an empty backend endpoint'),
      );
    }
    const named = parseEndpoint(negotiated.backendPipe);
    return 'endpoint' in named
      ? { kind: 'reconnect', negotiated, endpoint: named.endpoint }
      : this.#failToDial(named.problem);
  }

  /**
   * A name that cannot be dialled is not tried (C-18): systems differ in how they read it, and some would
   * dial a part of it.
   */
  #failToDial(problem: string): ExchangeStep {
    const system: SystemFailure = {
      code: 'EINVAL',
      syscall: 'connect',
      message: `the endpoint that the broker named ${problem}`,
    };
    const message = `failed to connect to negotiated backend: ${system.message}`;
    const failure: Failure = {
      code: 'BACKEND_CONNECT',
      message,
      endpoint: this.#options.brokerEndpoint,
      system,
    };
    return { kind: 'failed', failure, replyPending: false };
  }

  #refuse(refused: Refused): ExchangeStep {
    const known = Object.values<number>(RefusalCode).includes(refused.code);
    const refusalCode = known ? refused.code : RefusalCode.UNSPECIFIED;
    const retryAfterMs = Number(refused.retryAfterMs);
    const reason = printable(refused.reason);
    const failure: Failure = {
      code: 'REFUSED',
      message: `broker refused Hello: ${reason} (code ${refusalCode}, retry_after_ms=${retryAfterMs})`,
      endpoint: this.#options.brokerEndpoint,
      refusalCode,
      refusalKind: refusalKindOf(refusalCode),
      retryAfterMs,
      reason,
    };
    return { kind: 'failed', failure, replyPending: false };
  }

  #fail(error: unknown): ExchangeStep {
    return { kind: 'failed', failure: failureOf(error, this.#options.brokerEndpoint), replyPending: false };
  }
}

/** Whether the broker says that it will hand the connection over (C-40). It is no promise (C-49). */
export function offersHandoff(negotiated: Negotiated): boolean {
  return (
    (negotiated.serverCapabilities & CAPABILITY_HANDLE_PASSING) !== 0n &&
    negotiated.handlePassedToken.length > 0
  );
}

/** C-37: codes without a kind of their own are `other`; retry policies switch on the code. */
function refusalKindOf(code: number): RefusalKind {
  switch (code) {
    case RefusalCode.VERSION_UNSUPPORTED:
      return 'versionUnsupported';
    case RefusalCode.SERVICE_UNKNOWN:
      return 'serviceUnknown';
    case RefusalCode.RATE_LIMITED:
      return 'rateLimited';
    case RefusalCode.SHUTTING_DOWN:
      return 'shuttingDown';
    case RefusalCode.VERSION_BLOCKED:
      return 'versionBlocked';
    default:
      return 'other';
  }
}

/** Opens a frame while `use` runs, and overwrites it then: it may hold a token, and `use` takes copies. */
function reading<Result>(body: Uint8Array, use: (frame: Frame) => Result): Result {
  try {
    const frame = decodeFrame(body);
    try {
      return use(frame);
    } finally {
      frame.payload.fill(0);
    }
  } finally {
    body.fill(0);
  }
}

/** C-43; the token is compared before `accepted` is looked at. */
function isReady(frame: Frame, token: Uint8Array): boolean {
  if (checkEnvelope(frame, { kind: FrameKind.EVENT, protocol: PayloadProtocol.HANDOFF }) !== undefined)
    return false;
  const ack = decodeHandoffAck(frame.payload);
  const same = sameToken(ack.token, token);
  ack.token.fill(0);
  return same && ack.accepted;
}

/** In constant time for tokens of equal length; a length is no secret. */
function sameToken(received: Uint8Array, expected: Uint8Array): boolean {
  return received.length === expected.length && timingSafeEqual(received, expected);
}
