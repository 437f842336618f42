import { FrameKind, PayloadEncoding, PROTOCOL_VERSION, type Frame } from './frame-message.js';
import { formatProtocol, PayloadProtocol } from './protocols.js';

/** What a frame must be to be read any further. */
export interface ExpectedEnvelope {
  readonly kind: FrameKind;
  /** A {@link PayloadProtocol} or a consumer's own id. */
  readonly protocol: number;
}

const PROTOCOL_LABELS: ReadonlyMap<number, string> = new Map([
  [PayloadProtocol.CONTROL, 'control-plane'],
  [PayloadProtocol.ADMIN, 'admin'],
  [PayloadProtocol.HANDOFF, 'handoff'],
]);

const KIND_LABELS: ReadonlyMap<number, string> = new Map(
  Object.entries(FrameKind).map(([label, kind]) => [kind, label]),
);

/**
 * What is wrong with a frame's envelope, in upstream's words, or `undefined` if nothing is. The order of the
 * checks is part of the protocol and the first failure wins (W-50): envelope version, kind, payload protocol,
 * encoding. Client (W-52) and handoff (W-53) differ only in what they expect. Kinds and encodings unknown to
 * v1 fail here (W-23).
 */
export function checkEnvelope(frame: Frame, expected: ExpectedEnvelope): string | undefined {
  if (frame.envelopeVersion !== PROTOCOL_VERSION) return 'envelope_version is not v1';
  if (frame.kind !== expected.kind) return `kind is not ${KIND_LABELS.get(expected.kind) ?? expected.kind}`;
  if (frame.payloadProtocol !== expected.protocol) {
    return `payload_protocol is not ${PROTOCOL_LABELS.get(expected.protocol) ?? formatProtocol(expected.protocol)}`;
  }
  if (frame.payloadEncoding !== PayloadEncoding.NONE) return 'payload is compressed';
  return undefined;
}
