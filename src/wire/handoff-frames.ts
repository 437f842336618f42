import { encodeFrameToWire, FrameKind, PayloadProtocol, PROTOCOL_VERSION } from './envelope.js';
import { encodeHandoffAck, encodeHandoffOffer, type HandoffAck, type HandoffOffer } from './handoff.js';

/** The broker's offer, behind token and descriptor (H-04). */
export function offerFrame(offer: Partial<HandoffOffer> & { readonly correlationId: bigint }): Uint8Array {
  return handoffFrame(FrameKind.REQUEST, offer.correlationId, encodeHandoffOffer(offer));
}

/** The backend's answer to an offer (H-23, H-24). */
export function ackFrame(ack: Partial<HandoffAck> & { readonly correlationId: bigint }): Uint8Array {
  return handoffFrame(FrameKind.RESPONSE, ack.correlationId, encodeHandoffAck(ack));
}

/** The event that tells a client that its connection has been taken over (H-12). */
export function readyEvent(ack: Partial<HandoffAck> & { readonly correlationId: bigint }): Uint8Array {
  return handoffFrame(FrameKind.EVENT, ack.correlationId, encodeHandoffAck(ack));
}

function handoffFrame(kind: FrameKind, requestId: bigint, payload: Uint8Array): Uint8Array {
  return encodeFrameToWire({
    envelopeVersion: PROTOCOL_VERSION,
    kind,
    payloadProtocol: PayloadProtocol.HANDOFF,
    payload,
    requestId,
  });
}
