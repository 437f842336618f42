import { BrokerPoolError, type SystemFailure } from '../../errors.js';
import { checkEnvelope } from '../../wire/envelope.js';
import { FrameDecoder, type FrameProgress } from '../../wire/frame.js';
import { decodeAdminReply, decodeFrame, FrameKind, PayloadProtocol } from '../../wire/messages.js';
import { endFailure, failureOf, WAIT, type Exchange, type ExchangeStep } from './exchange.js';

/** The settings of an admin exchange, and its request. */
export interface AdminExchangeOptions {
  /** The admin request as one wire buffer. */
  readonly request: Uint8Array;
  /** For messages only. */
  readonly brokerEndpoint: string;
  /** When the reply must have arrived, on the monotonic clock. */
  readonly deadlineMs: number;
  /** For messages only: how long the caller allowed. */
  readonly roundTripTimeoutMs: number;
}

/**
 * One admin request and its reply (C-60), as a state machine without I/O. A reply with an exit code other
 * than 0 is a reply (C-62).
 */
export class AdminExchange implements Exchange {
  readonly request: Uint8Array;
  readonly deadlineMs: number;
  readonly #options: AdminExchangeOptions;
  readonly #decoder = new FrameDecoder();
  #replied = false;

  constructor(options: AdminExchangeOptions) {
    this.#options = options;
    this.request = options.request;
    this.deadlineMs = options.deadlineMs;
  }

  get replyProgress(): FrameProgress | undefined {
    return this.#replied ? undefined : this.#decoder.progress();
  }

  receive(chunk: Uint8Array): ExchangeStep {
    this.#decoder.push(chunk);
    try {
      const body = this.#decoder.read();
      if (body === undefined) return WAIT;
      this.#replied = true;
      const frame = decodeFrame(body);
      const problem = checkEnvelope(frame, { kind: FrameKind.RESPONSE, protocol: PayloadProtocol.ADMIN });
      if (problem !== undefined) {
        throw new BrokerPoolError(
          'UNEXPECTED_RESPONSE_FRAME',
          `unexpected broker response frame: ${problem}`,
        );
      }
      return { kind: 'answer', reply: decodeAdminReply(frame.payload) };
    } catch (error) {
      return { kind: 'failed', failure: failureOf(error, this.#options.brokerEndpoint), replyPending: false };
    }
  }

  end(system?: SystemFailure): ExchangeStep {
    const eof = this.#decoder.endOfInput();
    const failure = endFailure(
      { code: eof.code, message: eof.message },
      this.#options.brokerEndpoint,
      system,
    );
    return { kind: 'failed', failure, replyPending: false };
  }

  expire(): ExchangeStep {
    const { brokerEndpoint, roundTripTimeoutMs } = this.#options;
    const message = `broker did not answer the admin request within ${roundTripTimeoutMs} ms`;
    return {
      kind: 'failed',
      failure: { code: 'TIMEOUT', phase: 'admin', message, endpoint: brokerEndpoint },
      replyPending: true,
    };
  }

  /** An admin reply holds no token. */
  wipe(): void {}
}
