import { LIBRARY_NAME, LIBRARY_VERSION } from '../../version.js';
import {
  CAPABILITY_HANDLE_PASSING,
  encodeFrameToWire,
  encodeHello,
  FrameKind,
  PayloadProtocol,
  PROTOCOL_VERSION,
} from '../../wire/messages.js';

/** The parts of a Hello that callers choose and that stay the same for all Hellos of a target. */
export interface HelloIdentity {
  readonly serviceName: string;
  readonly wantedVersion: string;
  /** The version of the calling program; at most 128 bytes. @default '' */
  readonly clientVersion?: string | undefined;
  /** @default 'broker-pool' */
  readonly clientLibName?: string | undefined;
  /** @default this package's version */
  readonly clientLibVersion?: string | undefined;
  /** Seconds between keepalives the client suggests; advisory. @default 0 */
  readonly clientKeepaliveSecs?: number | undefined;
}

/** The frame's id; a broker answers one request per connection, so it never changes (C-04). */
const REQUEST_ID = 1n;

/**
 * The framed Hello as one wire buffer (C-02, C-04).
 *
 * @param claimsHandlePassing asks for a token and a handoff. A broker with a handoff endpoint then spends
 * about 5 ms on the handoff before it answers the next client, whether or not this client adopts (C-03), and
 * 5 s if its backend is silent.
 */
export function encodeHelloFrame(identity: HelloIdentity, claimsHandlePassing: boolean): Uint8Array {
  const payload = encodeHello({
    clientMinProtocol: PROTOCOL_VERSION,
    clientMaxProtocol: PROTOCOL_VERSION,
    serviceName: identity.serviceName,
    wantedVersion: identity.wantedVersion,
    clientVersion: identity.clientVersion ?? '',
    clientCapabilities: claimsHandlePassing ? CAPABILITY_HANDLE_PASSING : 0n,
    requestId: 'hello',
    peerPid: process.pid,
    clientLibName: identity.clientLibName ?? LIBRARY_NAME,
    clientLibVersion: identity.clientLibVersion ?? LIBRARY_VERSION,
    clientKeepaliveSecs: BigInt(identity.clientKeepaliveSecs ?? 0),
  });
  return encodeFrameToWire({
    envelopeVersion: PROTOCOL_VERSION,
    kind: FrameKind.REQUEST,
    payloadProtocol: PayloadProtocol.CONTROL,
    payload,
    requestId: REQUEST_ID,
  });
}
