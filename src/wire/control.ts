import { invalidArgument } from '../errors.js';
import { decoding, defineMessage, takeBytes } from './codec.js';
import { bytes, openEnum, text, textMap, texts, u32, u64 } from './fields.js';
import { broker } from './gen/broker-v1-typed.js';

/**
 * Bit 0 of `clientCapabilities` and `serverCapabilities`: this side can hand a connection over, or take one.
 */
export const CAPABILITY_HANDLE_PASSING = 1n;

/** Why a broker refuses a Hello (W-36, `ErrorCode` in the .proto). */
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

/** The client's question: which endpoint serves this service in this version (W-32)? */
export interface Hello {
  /** Lowest and highest protocol version the client speaks, both 1. */
  readonly clientMinProtocol: number;
  readonly clientMaxProtocol: number;
  readonly serviceName: string;
  readonly wantedVersion: string;
  readonly clientVersion: string;
  /** Bit set; see {@link CAPABILITY_HANDLE_PASSING}. */
  readonly clientCapabilities: bigint;
  readonly authToken: Uint8Array;
  /** A label, not the envelope's number of the same name. */
  readonly requestId: string;
  readonly connectionId: bigint;
  /** 0, or the pid the kernel reports for the peer. */
  readonly peerPid: number;
  readonly clientLibName: string;
  readonly clientLibVersion: string;
  readonly peerAttestationNonce: Uint8Array;
  readonly capabilityToken: Uint8Array;
  /** Seconds. */
  readonly clientKeepaliveSecs: bigint;
}

/** The broker's yes (W-34). */
export interface Negotiated {
  readonly negotiatedProtocol: number;
  /** The requested service version, not the broker's own. */
  readonly daemonVersion: string;
  /** The backend's endpoint: a socket path or a pipe name. */
  readonly backendPipe: string;
  readonly warnings: readonly string[];
  /** Bit set; see {@link CAPABILITY_HANDLE_PASSING}. */
  readonly serverCapabilities: bigint;
  /** Seconds; advice that nobody acts on. */
  readonly keepaliveIntervalSecs: bigint;
  /** Empty, or what the handoff-ready event will repeat. */
  readonly handlePassedToken: Uint8Array;
  readonly connectionId: bigint;
}

/** The broker's no (W-35). */
export interface Refused {
  readonly reason: string;
  /** Lowest and highest protocol version the broker speaks. */
  readonly daemonMinProtocol: number;
  readonly daemonMaxProtocol: number;
  /** A {@link RefusalCode}; unknown numbers survive decoding (W-23). */
  readonly code: number;
  readonly details: Readonly<Record<string, string>>;
  /** How long to wait before asking again, in milliseconds; 0 if the broker does not say. */
  readonly retryAfterMs: bigint;
}

/** What a HelloReply says. */
export type HelloResult =
  | { readonly kind: 'negotiated'; readonly negotiated: Negotiated }
  | { readonly kind: 'refused'; readonly refused: Refused };

/** The broker's answer (W-33); `result` is `undefined` when it says neither yes nor no. */
export interface HelloReply {
  readonly result: HelloResult | undefined;
}

const helloCodec = defineMessage<Hello, 'Hello'>('Hello', {
  clientMinProtocol: u32,
  clientMaxProtocol: u32,
  serviceName: text,
  wantedVersion: text,
  clientVersion: text,
  clientCapabilities: u64,
  authToken: bytes,
  requestId: text,
  connectionId: u64,
  peerPid: u32,
  clientLibName: text,
  clientLibVersion: text,
  peerAttestationNonce: bytes,
  capabilityToken: bytes,
  clientKeepaliveSecs: u64,
});

const negotiatedCodec = defineMessage<Negotiated, 'Negotiated'>('Negotiated', {
  negotiatedProtocol: u32,
  daemonVersion: text,
  backendPipe: text,
  warnings: texts,
  serverCapabilities: u64,
  keepaliveIntervalSecs: u64,
  handlePassedToken: bytes,
  connectionId: u64,
});

const refusedCodec = defineMessage<Refused, 'Refused'>('Refused', {
  reason: text,
  daemonMinProtocol: u32,
  daemonMaxProtocol: u32,
  code: openEnum,
  details: textMap,
  retryAfterMs: u64,
});

/** Encodes a Hello. Throws `INVALID_ARGUMENT` for a value that its field cannot hold. */
export const encodeHello: (hello: Partial<Hello>) => Uint8Array = helloCodec.encode;

/** Decodes a Hello. Throws `DECODE_FRAME`. */
export const decodeHello: (body: Uint8Array) => Hello = helloCodec.decode;

/** Encodes a Negotiated on its own; peers expect it inside a HelloReply. Throws `INVALID_ARGUMENT`. */
export const encodeNegotiated: (negotiated: Partial<Negotiated>) => Uint8Array = negotiatedCodec.encode;

/** Decodes a Negotiated on its own. Throws `DECODE_FRAME`. */
export const decodeNegotiated: (body: Uint8Array) => Negotiated = negotiatedCodec.decode;

/** Encodes a Refused on its own; peers expect it inside a HelloReply. Throws `INVALID_ARGUMENT`. */
export const encodeRefused: (refused: Partial<Refused>) => Uint8Array = refusedCodec.encode;

/** Decodes a Refused on its own. Throws `DECODE_FRAME`. */
export const decodeRefused: (body: Uint8Array) => Refused = refusedCodec.decode;

/** A HelloReply to encode: fields left out of the message inside stand for their defaults. */
export interface HelloReplyToEncode {
  readonly result:
    | { readonly kind: 'negotiated'; readonly negotiated: Partial<Negotiated> }
    | { readonly kind: 'refused'; readonly refused: Partial<Refused> }
    | undefined;
}

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
