import { defineMessage } from './codec.js';
import { bytes, flag, text, u64 } from './fields.js';

/** Length of a handoff token in bytes, and of the data that travels beside the descriptor (H-21). */
export const HANDOFF_TOKEN_BYTES = 16;

/** The broker asks a backend to take over a client's connection (W-37). */
export interface HandoffOffer {
  /** The duplicated handle on Windows; 0 where the descriptor travels beside the bytes. */
  readonly handleValue: bigint;
  /** {@link HANDOFF_TOKEN_BYTES} bytes, the same as in the client's Negotiated. */
  readonly token: Uint8Array;
  readonly serviceName: string;
  /** Equal to the frame's request id (H-20). */
  readonly correlationId: bigint;
}

/** The backend's answer to a HandoffOffer, and the broker's handoff-ready event to the client (W-37). */
export interface HandoffAck {
  readonly token: Uint8Array;
  readonly accepted: boolean;
  readonly errorDetail: string;
  readonly correlationId: bigint;
}

const offerCodec = defineMessage<HandoffOffer, 'HandoffOffer'>('HandoffOffer', {
  handleValue: u64,
  token: bytes,
  serviceName: text,
  correlationId: u64,
});

const ackCodec = defineMessage<HandoffAck, 'HandoffAck'>('HandoffAck', {
  token: bytes,
  accepted: flag,
  errorDetail: text,
  correlationId: u64,
});

/** Encodes a HandoffOffer. Throws `INVALID_ARGUMENT` for a value that its field cannot hold. */
export const encodeHandoffOffer: (offer: Partial<HandoffOffer>) => Uint8Array = offerCodec.encode;

/** Decodes a HandoffOffer; a real broker's contains its zero `handleValue` (W-26). Throws `DECODE_FRAME`. */
export const decodeHandoffOffer: (body: Uint8Array) => HandoffOffer = offerCodec.decode;

/** Encodes a HandoffAck. Throws `INVALID_ARGUMENT` for a value that its field cannot hold. */
export const encodeHandoffAck: (ack: Partial<HandoffAck>) => Uint8Array = ackCodec.encode;

/** Decodes a HandoffAck. Throws `DECODE_FRAME`. */
export const decodeHandoffAck: (body: Uint8Array) => HandoffAck = ackCodec.decode;
