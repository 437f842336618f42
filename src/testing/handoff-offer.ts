import { Socket } from 'node:net';
import type { HandlePassing } from '../os/handle-passing.js';
import type { SystemCalls } from '../os/native.js';
import { encodeAddress } from '../os/socket.js';
import { checkEnvelope } from '../wire/envelope.js';
import { offerFrame } from '../wire/handoff-frames.js';
import {
  decodeFrame,
  decodeHandoffAck,
  FrameKind,
  HANDOFF_TOKEN_BYTES,
  PayloadProtocol,
} from '../wire/messages.js';
import { readFirstFrame } from './first-frame.js';

/** One handoff, from the broker's side. */
export interface Offer {
  readonly endpoint: string;
  /** The accepted client connection; stays open here. */
  readonly descriptor: number;
  readonly token: Uint8Array;
  readonly serviceName: string;
  readonly correlationId: bigint;
  /** How long the backend may take to answer, in milliseconds (H-08). */
  readonly ackTimeoutMs: number;
}

/**
 * How an offer ended: the descriptor was not sent (H-02, H-07), the backend accepted, it refused (H-10), or no
 * valid answer came, so that the owner of the connection is unknown (H-11).
 */
export type OfferResult = 'notSent' | 'accepted' | 'rejected' | 'unconfirmed';

/**
 * Offers a client's connection to a backend: a connection of its own (H-02), token and descriptor in one
 * message (H-03), the offer (H-04), the ack (H-08). Calls `onSent` with the connection once the descriptor is on
 * its way; closing it ends the wait for the ack.
 */
export async function offerConnection(
  offer: Offer,
  passing: HandlePassing,
  system: SystemCalls,
  onSent: (socket: Socket) => void,
): Promise<OfferResult> {
  const descriptor = system.openSocket();
  if (descriptor < 0) return 'notSent';
  const isSent =
    system.connect(descriptor, encodeAddress(offer.endpoint)) >= 0 &&
    passing.sendHandle(descriptor, offer.token, offer.descriptor) === HANDOFF_TOKEN_BYTES;
  if (!isSent) {
    system.close(descriptor);
    return 'notSent';
  }
  const socket = new Socket({ fd: descriptor, allowHalfOpen: true });
  socket.on('error', () => {});
  onSent(socket);
  const { correlationId, serviceName, token } = offer;
  socket.write(offerFrame({ token, serviceName, correlationId }));
  const answer = await readFirstFrame(socket, offer.ackTimeoutMs);
  socket.destroy();
  return answer.kind === 'frame' ? judgeAck(answer.body, offer) : 'unconfirmed';
}

/** The checks of H-08, in their order. */
function judgeAck(body: Uint8Array, { correlationId, token }: Offer): OfferResult {
  try {
    const frame = decodeFrame(body);
    if (checkEnvelope(frame, { kind: FrameKind.RESPONSE, protocol: PayloadProtocol.HANDOFF }) !== undefined)
      return 'unconfirmed';
    if (frame.requestId !== correlationId) return 'unconfirmed';
    const ack = decodeHandoffAck(frame.payload);
    if (ack.correlationId !== correlationId || !Buffer.from(ack.token).equals(token)) return 'unconfirmed';
    return ack.accepted ? 'accepted' : 'rejected';
  } catch {
    return 'unconfirmed';
  }
}
