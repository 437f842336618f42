import type { Failure } from '../../../src/errors.js';
import { AdminExchange } from '../../../src/negotiation/exchange/admin-exchange.js';
import type { Exchange, ExchangeStep } from '../../../src/negotiation/exchange/exchange.js';
import { Handshake, type HandshakeOptions } from '../../../src/negotiation/exchange/handshake.js';
import {
  CAPABILITY_HANDLE_PASSING,
  encodeAdminReply,
  encodeFrameToWire,
  encodeHandoffAck,
  encodeHelloReply,
  FrameKind,
  PayloadProtocol,
  type AdminReply,
  type Frame,
  type HandoffAck,
  type Negotiated,
  type Refused,
} from '../../../src/wire/messages.js';
import { endpointIn } from '../../helpers/endpoints.js';

export const BROKER = endpointIn('/run/user/1000', 'broker');
export const REQUEST = Uint8Array.of(1, 0, 0, 0, 0);
/** When the reply must be there. */
export const DEADLINE_MS = 30_000;
/** When bytes arrive, unless a test says otherwise. */
export const NOW_MS = 7_000;
export const HANDOFF_MS = 2_000;

export const TOKEN = Uint8Array.from({ length: 16 }, (_, index) => index + 1);

/** A handshake as `connectToBackend` would start it; it does not adopt unless told to. */
export function handshake(options: Partial<HandshakeOptions> = {}): Handshake {
  return new Handshake({
    request: REQUEST,
    brokerEndpoint: BROKER,
    deadlineMs: DEADLINE_MS,
    roundTripTimeoutMs: 30_000,
    adoptHandedOffConnection: false,
    handoffReadyTimeoutMs: HANDOFF_MS,
    ...options,
  });
}

export function adopting(): Handshake {
  return handshake({ adoptHandedOffConnection: true });
}

export function adminExchange(): AdminExchange {
  return new AdminExchange({
    request: REQUEST,
    brokerEndpoint: BROKER,
    deadlineMs: DEADLINE_MS,
    roundTripTimeoutMs: 30_000,
  });
}

/** A real broker's Negotiated: it gives the token to every client (C-03). */
export const NEGOTIATED: Negotiated = {
  negotiatedProtocol: 1,
  daemonVersion: '1.2.3',
  backendPipe: endpointIn('/run/user/1000', 'backend'),
  warnings: ['old client'],
  serverCapabilities: CAPABILITY_HANDLE_PASSING,
  keepaliveIntervalSecs: 30n,
  handlePassedToken: TOKEN,
  connectionId: 1n,
};

/** The envelope fields of a broker's answer. */
export type Envelope = Partial<Omit<Frame, 'payload'>>;

export function replyFrame(payload: Uint8Array, envelope: Envelope = {}): Uint8Array {
  const protocol = PayloadProtocol.CONTROL;
  return encodeFrameToWire({
    envelopeVersion: 1,
    kind: FrameKind.RESPONSE,
    payloadProtocol: protocol,
    requestId: 1n,
    ...envelope,
    payload,
  });
}

export function negotiatedFrame(changes: Partial<Negotiated> = {}, envelope: Envelope = {}): Uint8Array {
  const negotiated = { ...NEGOTIATED, ...changes };
  return replyFrame(encodeHelloReply({ result: { kind: 'negotiated', negotiated } }), envelope);
}

export function refusedFrame(refused: Partial<Refused>): Uint8Array {
  return replyFrame(encodeHelloReply({ result: { kind: 'refused', refused } }));
}

export function eventFrame(payload: Uint8Array, envelope: Envelope = {}): Uint8Array {
  const protocol = PayloadProtocol.HANDOFF;
  return encodeFrameToWire({
    envelopeVersion: 1,
    kind: FrameKind.EVENT,
    payloadProtocol: protocol,
    ...envelope,
    payload,
  });
}

/** The handoff-ready event. */
export function readyFrame(changes: Partial<HandoffAck> = {}, envelope: Envelope = {}): Uint8Array {
  return eventFrame(encodeHandoffAck({ token: TOKEN, accepted: true, ...changes }), envelope);
}

export function adminFrame(reply: Partial<AdminReply>, envelope: Envelope = {}): Uint8Array {
  return replyFrame(encodeAdminReply(reply), { payloadProtocol: PayloadProtocol.ADMIN, ...envelope });
}

/**
 * Feeds the pieces until the exchange wants something else than more bytes, and returns what with the pieces
 * not fed.
 */
export function play(
  exchange: Exchange,
  ...pieces: readonly Uint8Array[]
): { step: ExchangeStep; unread: readonly Uint8Array[] } {
  for (const [index, piece] of pieces.entries()) {
    const step = exchange.receive(piece, NOW_MS);
    if (step.kind !== 'wait') return { step, unread: pieces.slice(index + 1) };
  }
  return { step: { kind: 'wait' }, unread: [] };
}

export function stepAfter(exchange: Exchange, ...pieces: readonly Uint8Array[]): ExchangeStep {
  return play(exchange, ...pieces).step;
}

/** The step of an exchange that fails after the reply is in. */
export function failed(code: Failure['code'], message: string, more: Partial<Failure> = {}): ExchangeStep {
  return { kind: 'failed', failure: { code, message, endpoint: BROKER, ...more }, replyPending: false };
}

export const WAIT: ExchangeStep = { kind: 'wait' };
export const RECONNECT = reconnect();
export const EMPTY_PIPE = failed('EMPTY_BACKEND_PIPE', 'broker negotiated an empty backend endpoint');

/** The step of a handshake whose broker said yes, with these changes. */
export function reconnect(changes: Partial<Negotiated> = {}): ExchangeStep {
  const negotiated = { ...NEGOTIATED, ...changes };
  return { kind: 'reconnect', negotiated, endpoint: negotiated.backendPipe };
}

export function adopt(
  residue: Uint8Array = new Uint8Array(0),
  negotiated: Negotiated = NEGOTIATED,
  endpoint = negotiated.backendPipe,
): ExchangeStep {
  return { kind: 'adopt', negotiated, endpoint, residue };
}

/** Envelope fields in all combinations of right and wrong, each with the first problem of it (W-50). */
export function* envelopes(expected: {
  kind: number;
  protocol: number;
  kindLabel: string;
  protocolLabel: string;
}): Generator<{
  envelope: Required<Pick<Frame, 'envelopeVersion' | 'kind' | 'payloadProtocol' | 'payloadEncoding'>>;
  problem: string | undefined;
}> {
  for (const envelopeVersion of [1, 0, 2, 0xffff_ffff]) {
    for (const kind of [0, 1, 2, 3, 4, -1]) {
      for (const payloadProtocol of [0x0000, 0xad01, 0xd0ff, 0xb232, 0x5350, 0x7a63]) {
        for (const payloadEncoding of [0, 1, 2, 3, 4]) {
          const problems = [
            envelopeVersion !== 1 && 'envelope_version is not v1',
            kind !== expected.kind && `kind is not ${expected.kindLabel}`,
            payloadProtocol !== expected.protocol && `payload_protocol is not ${expected.protocolLabel}`,
            payloadEncoding !== 0 && 'payload is compressed',
          ];
          const problem = problems.find((text) => text !== false);
          yield {
            envelope: { envelopeVersion, kind, payloadProtocol, payloadEncoding },
            problem: problem || undefined,
          };
        }
      }
    }
  }
}
