import { formatProtocol, FrameKind, PayloadEncoding, PROTOCOL_VERSION } from '../../wire/envelope.js';
import type { FrameView } from '../codec/frame-view.js';

/** The fault of an answer. No valid backend sends an answer with one of these (S-70). */
export function problemOf(frame: FrameView, payloadProtocol: number): string | undefined {
  if (frame.envelopeVersion !== PROTOCOL_VERSION) return `has envelope_version ${frame.envelopeVersion}`;
  if (frame.payloadProtocol !== payloadProtocol)
    return `has payload_protocol ${formatProtocol(frame.payloadProtocol)}, not ${formatProtocol(payloadProtocol)}`;
  if (frame.kind !== FrameKind.RESPONSE) return `has kind ${frame.kind}, not RESPONSE`;
  return frame.payloadEncoding === PayloadEncoding.NONE ? undefined : 'has a compressed payload';
}
