import { BrokerPoolError, type Failure, type SystemFailure } from '../../errors.js';
import type { FrameProgress } from '../../wire/frame.js';
import type { AdminReply, Negotiated } from '../../wire/messages.js';

/** The next action of the driver that owns the connection. */
export type ExchangeStep =
  /** Read on, until the exchange's deadline. */
  | { readonly kind: 'wait' }
  /**
   * The broker handed this very connection over: keep it. `residue` came behind the ready frame and belongs
   * to the caller. `endpoint` is as below, but empty where the broker named none that can be dialled: an
   * adopted connection needs none.
   */
  | {
      readonly kind: 'adopt';
      readonly negotiated: Negotiated;
      readonly endpoint: string;
      readonly residue: Uint8Array;
    }
  /** Close this connection and dial `endpoint`: `negotiated.backendPipe`, checked and in the form to dial. */
  | { readonly kind: 'reconnect'; readonly negotiated: Negotiated; readonly endpoint: string }
  /** The broker answered an admin request. */
  | { readonly kind: 'answer'; readonly reply: AdminReply }
  | {
      readonly kind: 'failed';
      readonly failure: Failure;
      /**
       * The broker's reply is not in. Hanging up now would end a registered broker: the connection must be
       * read until the reply or its end before it is closed.
       */
      readonly replyPending: boolean;
    };

/**
 * One question and its answer on one broker connection, without I/O: the driver sends `request`,
 * feeds the bytes that arrive, and takes the returned step. All drivers run the same exchanges.
 */
export interface Exchange {
  /** The whole request as one wire buffer, to be sent with one call. */
  readonly request: Uint8Array;
  /**
   * When {@link Exchange.expire} must be called, on the monotonic clock; it moves when the exchange enters
   * another phase.
   */
  readonly deadlineMs: number;
  /**
   * How much has arrived of the reply; `undefined` once it is in.
   */
  readonly replyProgress: FrameProgress | undefined;
  /** Bytes arrived. `chunk` may be reused by the caller afterwards. */
  receive(chunk: Uint8Array, nowMs: number): ExchangeStep;
  /** The peer ended the connection, or reading or writing failed. */
  end(failure?: SystemFailure): ExchangeStep;
  /** The deadline has passed. */
  expire(): ExchangeStep;
  /** Overwrites the token, if there is one, and the bytes it may be part of: the exchange has failed. */
  wipe(): void;
}

/** The step of an exchange that needs more bytes. */
export const WAIT: ExchangeStep = { kind: 'wait' };

/** The failure for a connection that ended without a reply. */
export function endFailure(eof: Failure, endpoint: string, system?: SystemFailure): Failure {
  if (system === undefined) return { ...eof, endpoint };
  // C-39: a broker that closes with our bytes unread shows as a reset or a broken pipe instead of an end.
  const hungUp = system.code === 'ECONNRESET' || system.code === 'EPIPE';
  const message = hungUp ? eof.message : 'I/O error on the broker connection';
  return { code: hungUp ? eof.code : 'FRAME_IO', message: `${message}: ${system.message}`, endpoint, system };
}

/** An error of a decoder as data. Every other error is a bug of this package and is thrown on. */
export function failureOf(error: unknown, endpoint: string): Failure {
  if (!(error instanceof BrokerPoolError)) throw error;
  return { code: error.code, message: error.message, endpoint };
}
