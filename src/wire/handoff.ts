import { defineMessage } from './codec.js';
import type { Message } from './field-table.js';

/** Length of a handoff token in bytes, and of the data that travels beside the descriptor. */
export const HANDOFF_TOKEN_BYTES = 16;

// The fields of W-37.
const HANDOFF_OFFER = {
  /** The duplicated handle on Windows; 0 where the descriptor travels beside the bytes. */
  handleValue: 'u64',
  /** {@link HANDOFF_TOKEN_BYTES} bytes, the same as in the client's Negotiated. */
  token: 'bytes',
  serviceName: 'string',
  /** Equal to the frame's request id. */
  correlationId: 'u64',
} as const;

/** The broker asks a backend to take over a client's connection. */
export interface HandoffOffer extends Message<typeof HANDOFF_OFFER> {}

const HANDOFF_ACK = {
  token: 'bytes',
  accepted: 'bool',
  errorDetail: 'string',
  correlationId: 'u64',
} as const;

/** The backend's answer to a HandoffOffer, and the broker's handoff-ready event to the client. */
export interface HandoffAck extends Message<typeof HANDOFF_ACK> {}

const offerCodec = defineMessage('HandoffOffer', HANDOFF_OFFER);
const ackCodec = defineMessage('HandoffAck', HANDOFF_ACK);

/** Encodes a HandoffOffer. Throws `INVALID_ARGUMENT` for a value that its field cannot hold. */
export const encodeHandoffOffer: (offer: Partial<HandoffOffer>) => Uint8Array = offerCodec.encode;

/** Decodes a HandoffOffer; a real broker's contains its zero `handleValue`. Throws `DECODE_FRAME`. */
export const decodeHandoffOffer: (body: Uint8Array) => HandoffOffer = offerCodec.decode;

/** Encodes a HandoffAck. Throws `INVALID_ARGUMENT` for a value that its field cannot hold. */
export const encodeHandoffAck: (ack: Partial<HandoffAck>) => Uint8Array = ackCodec.encode;

/** Decodes a HandoffAck. Throws `DECODE_FRAME`. */
export const decodeHandoffAck: (body: Uint8Array) => HandoffAck = ackCodec.decode;
