import { defineMessage, nested } from './codec.js';
import { bytes, optional, text, u32, u64 } from './fields.js';

/**
 * Length of the nonce in an identity probe, in bytes; the answer is the nonce and a DaemonProcess (P-01,
 * P-02).
 */
export const PROBE_NONCE_BYTES = 32;

/** Where a backend listens, and in whose name. */
export interface Endpoint {
  /** `shared`, `private:<service>` or `explicit:<name>` (P-14). */
  readonly namespaceId: string;
  readonly path: string;
}

/**
 * Who a backend process is (W-40). A SHA-256 that responders append for old brokers (P-12) is skipped in
 * decoding.
 */
export interface DaemonProcess {
  readonly pid: number;
  readonly exePath: string;
  readonly ipcEndpoint?: Endpoint | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly startedAtUnixMs: bigint;
  /** Names one boot of the machine (P-10). */
  readonly bootId: string;
  /** Seconds; 0 is sent, absent is not (W-21). */
  readonly idleTimeoutSecs?: number | undefined;
  /** `blake3` (P-08). */
  readonly exeHashAlgorithm: string;
  readonly exeHash: Uint8Array;
}

const endpointCodec = defineMessage<Endpoint, 'Endpoint'>('Endpoint', {
  namespaceId: text,
  path: text,
});

const processCodec = defineMessage<DaemonProcess, 'DaemonProcess'>('DaemonProcess', {
  pid: u32,
  exePath: text,
  ipcEndpoint: nested(endpointCodec),
  startedAtUnixMs: u64,
  bootId: text,
  idleTimeoutSecs: optional(u32),
  exeHashAlgorithm: text,
  exeHash: bytes,
});

/** Encodes an Endpoint on its own. Throws `INVALID_ARGUMENT` for a value that its field cannot hold. */
export const encodeEndpoint: (endpoint: Partial<Endpoint>) => Uint8Array = endpointCodec.encode;

/** Decodes an Endpoint on its own. Throws `DECODE_FRAME`. */
export const decodeEndpoint: (body: Uint8Array) => Endpoint = endpointCodec.decode;

/** Encodes a DaemonProcess. Throws `INVALID_ARGUMENT` for a value that its field cannot hold. */
export const encodeDaemonProcess: (identity: Partial<DaemonProcess>) => Uint8Array = processCodec.encode;

/** Decodes a DaemonProcess. Throws `DECODE_FRAME`. */
export const decodeDaemonProcess: (body: Uint8Array) => DaemonProcess = processCodec.decode;
