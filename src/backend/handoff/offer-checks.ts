import { timingSafeEqual } from 'node:crypto';
import { fstatSync } from 'node:fs';
import { checkPeer, type EndpointTrust } from '../../os/endpoint-trust.js';
import { checkEnvelope } from '../../wire/envelope.js';
import {
  decodeFrame,
  decodeHandoffOffer,
  FrameKind,
  HANDOFF_TOKEN_BYTES,
  PayloadProtocol,
  type HandoffOffer,
} from '../../wire/messages.js';

/** The offer in a frame; `undefined` for a frame that gets no answer. */
export function offerIn(body: Uint8Array): HandoffOffer | undefined {
  // H-32: a frame that is no offer gets no answer, since it names no offer to refuse.
  try {
    const frame = decodeFrame(body);
    const expected = { kind: FrameKind.REQUEST, protocol: PayloadProtocol.HANDOFF };
    if (checkEnvelope(frame, expected) !== undefined) return undefined;
    const offer = decodeHandoffOffer(frame.payload);
    return frame.requestId === offer.correlationId ? offer : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Why an offer is refused, in upstream's words; `undefined` for a good one. The broker announces no token
 * beforehand (H-22): the bytes beside the descriptor are the token to expect.
 */
export function tokenProblem(token: Uint8Array, sideband: Uint8Array): string | undefined {
  // H-21, H-31: the length first, since `timingSafeEqual` throws for texts of two lengths.
  if (token.length === 0) return 'handoff token is missing';
  if (token.length !== HANDOFF_TOKEN_BYTES)
    return `handoff token length was ${token.length} bytes; expected ${HANDOFF_TOKEN_BYTES}`;
  return timingSafeEqual(sideband, token) ? undefined : 'handoff token mismatch';
}

/** Why a received descriptor is not served; `undefined` for a connection of a trusted user. */
export function connectionProblem(descriptor: number, trust: EndpointTrust): string | undefined {
  try {
    if (!fstatSync(descriptor).isSocket()) return 'the descriptor is no socket';
  } catch {
    return 'the descriptor cannot be examined';
  }
  // Sockets of other families, and sockets without a peer, have no user that is trusted.
  const problem = checkPeer(descriptor, trust);
  return problem === undefined ? undefined : `the client is not trusted: ${problem}`;
}
