import type { FrameView } from '../../frames/codec/frame-view.js';
import {
  FIRST_PARTY_PROTOCOLS,
  FrameKind,
  PayloadEncoding,
  PayloadProtocol,
  PROBE_NONCE_BYTES,
  PROTOCOL_VERSION,
} from '../../wire/messages.js';

/** The kind of a frame for a backend. `ignored` frames get no answer; `fatal` ones end the connection. */
export type MessageKind = 'probe' | 'request' | 'ignored' | 'fatal';

/** The rules of S-71: probe, then protocols of the broker, then those that are not served. */
export function kindOf(frame: FrameView, served: ReadonlySet<number>): MessageKind {
  const { kind, payloadProtocol } = frame;
  const isPlain =
    frame.envelopeVersion === PROTOCOL_VERSION && frame.payloadEncoding === PayloadEncoding.NONE;
  if (payloadProtocol === PayloadProtocol.IDENTITY_PROBE) {
    // P-21: a probe may have any request id, 0 too.
    const isProbe = isPlain && kind === FrameKind.REQUEST && frame.payload.length === PROBE_NONCE_BYTES;
    return isProbe ? 'probe' : 'fatal';
  }
  if (FIRST_PARTY_PROTOCOLS.has(payloadProtocol) || !served.has(payloadProtocol)) return 'fatal';
  // S-75: other kinds are ignored; CANCEL is one of them, since v1 does not know it (S-57).
  if (kind !== FrameKind.REQUEST) return 'ignored';
  // Stricter than upstream, which hands it over: no handler could tell such a payload from another.
  return isPlain ? 'request' : 'fatal';
}
