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

/** The last Hello and what it was made of: a program that connects again and again sends the same one. */
let last:
  | (Required<HelloIdentity> & { readonly claimsHandlePassing: boolean; readonly frame: Uint8Array })
  | undefined;

/**
 * The framed Hello as one wire buffer (C-02, C-04). Callers must not change it: the next one may get the same.
 *
 * @param claimsHandlePassing asks for a token and a handoff. A broker with a handoff endpoint then spends
 * about 5 ms on the handoff before it answers the next client, whether or not this client adopts (C-03), and
 * 5 s if its backend is silent.
 */
export function encodeHelloFrame(identity: HelloIdentity, claimsHandlePassing: boolean): Uint8Array {
  const {
    serviceName,
    wantedVersion,
    clientVersion = '',
    clientLibName = LIBRARY_NAME,
    clientLibVersion = LIBRARY_VERSION,
    clientKeepaliveSecs = 0,
  } = identity;
  if (
    last !== undefined &&
    last.serviceName === serviceName &&
    last.wantedVersion === wantedVersion &&
    last.clientVersion === clientVersion &&
    last.clientLibName === clientLibName &&
    last.clientLibVersion === clientLibVersion &&
    last.clientKeepaliveSecs === clientKeepaliveSecs &&
    last.claimsHandlePassing === claimsHandlePassing
  )
    return last.frame;
  const payload = encodeHello({
    clientMinProtocol: PROTOCOL_VERSION,
    clientMaxProtocol: PROTOCOL_VERSION,
    serviceName,
    wantedVersion,
    clientVersion,
    clientCapabilities: claimsHandlePassing ? CAPABILITY_HANDLE_PASSING : 0n,
    requestId: 'hello',
    peerPid: process.pid,
    clientLibName,
    clientLibVersion,
    clientKeepaliveSecs: BigInt(clientKeepaliveSecs),
  });
  const frame = encodeFrameToWire({
    envelopeVersion: PROTOCOL_VERSION,
    kind: FrameKind.REQUEST,
    payloadProtocol: PayloadProtocol.CONTROL,
    payload,
    requestId: REQUEST_ID,
  });
  last = {
    serviceName,
    wantedVersion,
    clientVersion,
    clientLibName,
    clientLibVersion,
    clientKeepaliveSecs,
    claimsHandlePassing,
    frame,
  };
  return frame;
}
