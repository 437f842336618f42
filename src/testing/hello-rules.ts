import { MAX_U64 } from '../wire/frame.js';
import {
  FrameKind,
  PayloadEncoding,
  PayloadProtocol,
  PROTOCOL_VERSION,
  RefusalCode,
  type Frame,
  type Hello,
} from '../wire/messages.js';

/** The reason why a broker refuses. */
export interface Refusal {
  readonly code: number;
  readonly reason: string;
  readonly retryAfterMs: number;
}

/** A service as an embedded broker knows it. */
export interface EmbeddedService {
  /** Where its backend listens: the `backendPipe` of every Negotiated. */
  readonly endpoint: string;
  /** The only version that has a backend. @default any */
  readonly version?: string | undefined;
  /** All versions that have a backend, in place of `version`. @default any */
  readonly versions?: readonly string[] | undefined;
  /** Lower versions are blocked; only `major.minor.patch` counts. */
  readonly minVersion?: string | undefined;
  /** Other versions are blocked, unless the list is empty. */
  readonly versionAllowList?: readonly string[] | undefined;
  /** Where the backend takes over connections. @default none: no client is handed over */
  readonly handoffEndpoint?: string | undefined;
}

function refusal(code: number, reason: string, retryAfterMs = 0): Refusal {
  return { code, reason, retryAfterMs };
}

function rejected(reason: string): Refusal {
  return refusal(RefusalCode.PEER_REJECTED, reason);
}

/** The refusal of bytes that are no frame, from the code of the framing error. */
export function framingRefusal(code: string): Refusal {
  // V-04, V-05: a wrong first byte is another version; the only other framing error is a length.
  return code === 'FRAMING_VERSION'
    ? refusal(RefusalCode.VERSION_UNSUPPORTED, 'unsupported framing version')
    : rejected('initial Hello frame exceeds 64 KiB');
}

export const INCOMPLETE_FRAME: Refusal = rejected('incomplete Hello frame');
export const MALFORMED_FRAME: Refusal = rejected('malformed broker Frame');
export const OVERSIZED_HELLO: Refusal = rejected('initial Hello frame exceeds 64 KiB');
export const MALFORMED_HELLO: Refusal = rejected('malformed Hello payload');

/** The refusal of a frame around a Hello, if it is not that of a Hello. */
export function refuseEnvelope(frame: Frame): Refusal | undefined {
  // Step 1 of V-50; the order is the protocol's.
  if (frame.envelopeVersion !== PROTOCOL_VERSION) {
    return refusal(RefusalCode.VERSION_UNSUPPORTED, 'frame envelope_version is not v1');
  }
  if (frame.kind !== FrameKind.REQUEST) return rejected('Hello frame kind must be REQUEST');
  if (frame.payloadProtocol !== PayloadProtocol.CONTROL)
    return rejected('Hello frame payload_protocol must be control-plane');
  if (frame.payloadEncoding !== PayloadEncoding.NONE) return rejected('Hello payload must not be compressed');
  return undefined;
}

// N-20 and N-22 in the broker's own words: the client's checks are tested against them.
const SERVICE_NAME = /^[a-z0-9-]{1,64}$/;
const VERSION = /^\d+\.\d+\.\d+(?:-[a-z0-9.]+)?$/;

/** The refusal of a Hello, if any. `peerProcessId` comes from the kernel, 0 where it does not tell. */
export function refuseHello(hello: Hello, peerProcessId: number): Refusal | undefined {
  // The broker's order (steps 3 to 8 of V-50, with V-51 to V-53): the first rule that is broken names the refusal.
  if (hello.clientMinProtocol > PROTOCOL_VERSION || hello.clientMaxProtocol < PROTOCOL_VERSION) {
    return refusal(RefusalCode.VERSION_UNSUPPORTED, 'client protocol range does not include v1');
  }
  if (!SERVICE_NAME.test(hello.serviceName)) return rejected('invalid service_name');
  if (!VERSION.test(hello.wantedVersion) || hello.wantedVersion.length > 64)
    return rejected('invalid wanted_version');
  if (Buffer.byteLength(hello.clientVersion) > 128) return rejected('client_version exceeds 128 bytes');
  if (Buffer.byteLength(hello.clientLibName) > 64 || Buffer.byteLength(hello.clientLibVersion) > 64) {
    return rejected('client_lib fields exceed 64 bytes');
  }
  const pidsDiffer = hello.peerPid !== 0 && peerProcessId !== 0 && hello.peerPid !== peerProcessId;
  return pidsDiffer ? rejected('peer_pid does not match verified peer') : undefined;
}

/** The service for this Hello, or the refusal. */
export function findService(
  hello: Hello,
  services: ReadonlyMap<string, EmbeddedService>,
): EmbeddedService | Refusal {
  // The broker's order (V-80, V-55, V-86): the first rule that is broken names the refusal.
  const service = services.get(hello.serviceName);
  if (service === undefined) return refusal(RefusalCode.SERVICE_UNKNOWN, 'service definition was not found');
  const { minVersion, version, versions, versionAllowList = [] } = service;
  if (minVersion !== undefined && isBelow(hello.wantedVersion, minVersion)) {
    return refusal(RefusalCode.VERSION_BLOCKED, 'wanted_version is below min_version', 30_000);
  }
  if (versionAllowList.length > 0 && !versionAllowList.includes(hello.wantedVersion)) {
    return refusal(RefusalCode.VERSION_BLOCKED, 'wanted_version is not in version_allow_list', 30_000);
  }
  const registered = versions ?? (version === undefined ? undefined : [version]);
  if (registered !== undefined && !registered.includes(hello.wantedVersion)) {
    return refusal(RefusalCode.BACKEND_SPAWN_FAILED, 'backend is not registered', 1_000);
  }
  return service;
}

/** Whether a version's numbers lie below the floor's. Numbers beyond 64 bits are not blocked (V-56). */
function isBelow(version: string, floor: string): boolean {
  const numbers = releaseNumbers(version);
  const floorNumbers = releaseNumbers(floor);
  if (numbers.some((number) => number > MAX_U64)) return false;
  for (const [index, number] of numbers.entries()) {
    const least = floorNumbers[index] ?? 0n;
    if (number !== least) return number < least;
  }
  return false;
}

function releaseNumbers(version: string): bigint[] {
  return (version.split('-')[0] ?? '').split('.').map(BigInt);
}
