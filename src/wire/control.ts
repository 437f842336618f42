import { invalidArgument } from '../errors.js';
import { decoding, defineMessage, takeBytes } from './codec.js';
import type { Message } from './field-table.js';
import { broker } from './gen/broker-v1-typed.js';

/**
 * Bit 0 of `clientCapabilities` and `serverCapabilities`: this side can hand a connection over, or take one.
 */
export const CAPABILITY_HANDLE_PASSING = 1n;

/** Why a broker refuses a Hello (`ErrorCode` in the .proto). */
export const RefusalCode = {
  UNSPECIFIED: 0,
  VERSION_UNSUPPORTED: 1,
  SERVICE_UNKNOWN: 2,
  BACKEND_SPAWN_FAILED: 3,
  RATE_LIMITED: 4,
  SHUTTING_DOWN: 5,
  PEER_REJECTED: 6,
  INTERNAL: 7,
  VERSION_BLOCKED: 8,
  FD_PRESSURE: 9,
} as const;
/** A number of {@link RefusalCode}. */
export type RefusalCode = (typeof RefusalCode)[keyof typeof RefusalCode];

// The fields of W-32.
const HELLO = {
  /** Lowest and highest protocol version the client speaks, both 1. */
  clientMinProtocol: 'u32',
  clientMaxProtocol: 'u32',
  serviceName: 'string',
  wantedVersion: 'string',
  clientVersion: 'string',
  /** Bit set; see {@link CAPABILITY_HANDLE_PASSING}. */
  clientCapabilities: 'u64',
  authToken: 'bytes',
  /** A label, not the envelope's number of the same name. */
  requestId: 'string',
  connectionId: 'u64',
  /** 0, or the pid the kernel reports for the peer. */
  peerPid: 'u32',
  clientLibName: 'string',
  clientLibVersion: 'string',
  peerAttestationNonce: 'bytes',
  capabilityToken: 'bytes',
  /** Seconds. */
  clientKeepaliveSecs: 'u64',
} as const;

/** The client's request: which endpoint serves this service in this version? */
export interface Hello extends Message<typeof HELLO> {}

// The fields of W-34.
const NEGOTIATED = {
  negotiatedProtocol: 'u32',
  /** The requested service version, not the broker's own. */
  daemonVersion: 'string',
  /** The backend's endpoint: a socket path or a pipe name. */
  backendPipe: 'string',
  warnings: 'strings',
  /** Bit set; see {@link CAPABILITY_HANDLE_PASSING}. */
  serverCapabilities: 'u64',
  /** Seconds; advice only, no known client acts on it. */
  keepaliveIntervalSecs: 'u64',
  /** Empty, or the token that the handoff-ready event repeats. */
  handlePassedToken: 'bytes',
  connectionId: 'u64',
} as const;

/** The broker accepts a Hello and names the endpoint. */
export interface Negotiated extends Message<typeof NEGOTIATED> {}

// The fields of W-35, the codes of W-36.
const REFUSED = {
  reason: 'string',
  /** Lowest and highest protocol version the broker speaks. */
  daemonMinProtocol: 'u32',
  daemonMaxProtocol: 'u32',
  /** A {@link RefusalCode}; unknown numbers survive decoding. */
  code: 'enum',
  details: 'stringMap',
  /** How long to wait before asking again, in milliseconds; 0 if the broker does not say. */
  retryAfterMs: 'u64',
} as const;

/** The broker refuses a Hello. */
export interface Refused extends Message<typeof REFUSED> {}

/** The content of a HelloReply. */
export type HelloResult =
  | { readonly kind: 'negotiated'; readonly negotiated: Negotiated }
  | { readonly kind: 'refused'; readonly refused: Refused };

/** The broker's answer; `result` is `undefined` when it neither accepts nor refuses. */
export interface HelloReply {
  readonly result: HelloResult | undefined;
}

const helloCodec = defineMessage('Hello', HELLO);
const negotiatedCodec = defineMessage('Negotiated', NEGOTIATED);
const refusedCodec = defineMessage('Refused', REFUSED);

/** Encodes a Hello. Throws `INVALID_ARGUMENT` for a value that its field cannot hold. */
export const encodeHello: (hello: Partial<Hello>) => Uint8Array = helloCodec.encode;

/** Decodes a Hello. Throws `DECODE_FRAME`. */
export const decodeHello: (body: Uint8Array) => Hello = helloCodec.decode;

/** Encodes a Negotiated on its own; peers expect it inside a HelloReply. Throws `INVALID_ARGUMENT`. */
export const encodeNegotiated: (negotiated: Partial<Negotiated>) => Uint8Array = negotiatedCodec.encode;

/** Decodes a Negotiated on its own. Throws `DECODE_FRAME`. */
export const decodeNegotiated: (body: Uint8Array) => Negotiated = negotiatedCodec.decode;

/** A HelloReply to encode: fields left out of the message inside stand for their defaults. */
export interface HelloReplyToEncode {
  readonly result:
    | { readonly kind: 'negotiated'; readonly negotiated: Partial<Negotiated> }
    | { readonly kind: 'refused'; readonly refused: Partial<Refused> }
    | undefined;
}

// W-33: the message may hold neither of the two results.
/** Encodes a HelloReply; without a result it is empty. Throws `INVALID_ARGUMENT`. */
export function encodeHelloReply({ result }: HelloReplyToEncode): Uint8Array {
  switch (result?.kind) {
    case undefined:
      return takeBytes(broker.HelloReply.encode({}));
    case 'negotiated':
      return takeBytes(broker.HelloReply.encode({ negotiated: negotiatedCodec.toWire(result.negotiated) }));
    case 'refused':
      return takeBytes(broker.HelloReply.encode({ refused: refusedCodec.toWire(result.refused) }));
    default:
      throw invalidArgument('HelloReply.result', 'must be a negotiated or a refused one, or undefined');
  }
}

/** Decodes a HelloReply; of two results on the wire the last one counts. Throws `DECODE_HELLO_REPLY`. */
export function decodeHelloReply(body: Uint8Array): HelloReply {
  return decoding('HelloReply', 'DECODE_HELLO_REPLY', () => {
    const { negotiated, refused } = broker.HelloReply.decode(body);
    if (negotiated)
      return { result: { kind: 'negotiated', negotiated: negotiatedCodec.fromWire(negotiated) } };
    if (refused) return { result: { kind: 'refused', refused: refusedCodec.fromWire(refused) } };
    return { result: undefined };
  });
}
