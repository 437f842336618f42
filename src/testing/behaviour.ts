import { systemClock } from '../clock.js';
import type { Frame, Hello, Negotiated } from '../wire/messages.js';

/** A Hello as it arrived. */
export interface ReceivedHello {
  readonly hello: Hello;
  readonly frame: Frame;
}

/**
 * A time in milliseconds, or a promise: the broker continues when it settles. Prefer promises in tests: they
 * need no clock.
 */
export type Wait = number | Promise<unknown>;

/** How a reply is sent, to a Hello or to an admin request. */
export type ReplyBehaviour =
  /** As a real broker does. */
  | { readonly kind: 'answer' }
  /** Sends nothing until {@link EmbeddedBroker.releaseSilent}; the connection stays open. */
  | { readonly kind: 'silent' }
  /** Hangs up without a byte. */
  | { readonly kind: 'close' }
  /** The first `bytes` of the reply (half of it by default), then hangs up. */
  | { readonly kind: 'halfFrame'; readonly bytes?: number }
  /** These bytes instead of a reply; by default a valid frame around a body that is no Frame. */
  | { readonly kind: 'garbage'; readonly bytes?: Uint8Array }
  /** A reply whose first byte is 2. */
  | { readonly kind: 'wrongVersionByte' }
  /** A header that announces one byte more than a frame may have, and nothing behind it. */
  | { readonly kind: 'oversizedHeader' }
  /** The answer, later. */
  | { readonly kind: 'delay'; readonly wait: Wait }
  /** The answer in writes of one byte each, one to a turn of the event loop. */
  | { readonly kind: 'chunked' }
  /** The answer and more bytes right behind it. */
  | { readonly kind: 'extraBytes'; readonly bytes: Uint8Array }
  /** The answer with other fields in its envelope. */
  | { readonly kind: 'envelope'; readonly frame: Partial<Frame> };

/** The answer to a Hello. */
export type HelloBehaviour =
  /** Refuses every Hello. */
  | {
      readonly kind: 'refuse';
      readonly code: number;
      readonly reason?: string;
      readonly retryAfterMs?: number;
    }
  /** Negotiated, with these fields instead of the right ones. */
  | { readonly kind: 'negotiate'; readonly negotiated: Partial<Negotiated> }
  /** Negotiated without an endpoint. */
  | { readonly kind: 'emptyPipe' }
  /** A HelloReply that is neither Negotiated nor Refused. */
  | { readonly kind: 'noResult' };

/**
 * A handoff in messages only, after a Negotiated that carries a token. No descriptor travels: the broker itself
 * then serves the connection, as an echo. So tests need no FFI for adoption and for faulty handoffs.
 */
export type HandoffBehaviour =
  /** A handoff-ready event with another token. */
  | { readonly kind: 'wrongToken' }
  /** A handoff-ready event that says the backend refused. */
  | { readonly kind: 'rejectedAck' }
  /** A correct handoff-ready event, late. */
  | { readonly kind: 'lateReady'; readonly wait: Wait }
  /** Reply, handoff-ready event and the backend's first `bytes` in one write. */
  | { readonly kind: 'readyThenBackendBytes'; readonly bytes: Uint8Array };

/** All behaviours of an embedded broker. */
export type BrokerBehaviour = ReplyBehaviour | HelloBehaviour | HandoffBehaviour;

/** Whether a behaviour changes how a reply is sent, not its content. */
export function isReplyBehaviour(behaviour: BrokerBehaviour): behaviour is ReplyBehaviour {
  switch (behaviour.kind) {
    case 'refuse':
    case 'negotiate':
    case 'emptyPipe':
    case 'noResult':
      return false;
    default:
      return !isHandoffBehaviour(behaviour);
  }
}

/** Whether a behaviour changes what follows the reply. */
export function isHandoffBehaviour(behaviour: BrokerBehaviour): behaviour is HandoffBehaviour {
  switch (behaviour.kind) {
    case 'wrongToken':
    case 'rejectedAck':
    case 'lateReady':
    case 'readyThenBackendBytes':
      return true;
    default:
      return false;
  }
}

/** Settles when the wait is over or the signal aborted. Never rejects. */
export async function waited(wait: Wait, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  let stop = (): void => {};
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
    signal.addEventListener('abort', stop, { once: true });
  });
  if (typeof wait === 'number') {
    const cancel = systemClock.schedule(wait, stop, true);
    await stopped;
    cancel();
  } else {
    await Promise.race([stopped, Promise.resolve(wait).catch(() => {})]);
  }
  signal.removeEventListener('abort', stop);
}
