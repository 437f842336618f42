import { defineMessage } from './codec.js';
import type { Message } from './field-table.js';

// P-01, P-02: a nonce that no earlier answer can hold.
/** Length of the nonce in an identity probe, in bytes; the answer is the nonce and a DaemonProcess. */
export const PROBE_NONCE_BYTES = 32;

// P-14: the form of the namespace.
const ENDPOINT = {
  /** `shared`, `private:<service>` or `explicit:<name>`. */
  namespaceId: 'string',
  path: 'string',
} as const;

/** Where a backend listens, and in whose name. */
export interface Endpoint extends Message<typeof ENDPOINT> {}

// The fields of W-40; W-21 tells an absent idle timeout from 0, P-08 names the hash.
const DAEMON_PROCESS = {
  pid: 'u32',
  exePath: 'string',
  ipcEndpoint: ENDPOINT,
  /** Milliseconds since the Unix epoch. */
  startedAtUnixMs: 'u64',
  /** Names one boot of the machine. */
  bootId: 'string',
  /** Seconds; 0 is sent, absent is not. */
  idleTimeoutSecs: 'u32?',
  /** `blake3`. */
  exeHashAlgorithm: 'string',
  exeHash: 'bytes',
} as const;

/** The identity of a backend process. Decoding skips the SHA-256 that responders append for old brokers. */
export interface DaemonProcess extends Message<typeof DAEMON_PROCESS> {}

const endpointCodec = defineMessage('Endpoint', ENDPOINT);
const processCodec = defineMessage('DaemonProcess', DAEMON_PROCESS);

/** Encodes an Endpoint on its own. Throws `INVALID_ARGUMENT` for a value that its field cannot hold. */
export const encodeEndpoint: (endpoint: Partial<Endpoint>) => Uint8Array = endpointCodec.encode;

/** Decodes an Endpoint on its own. Throws `DECODE_FRAME`. */
export const decodeEndpoint: (body: Uint8Array) => Endpoint = endpointCodec.decode;

/** Encodes a DaemonProcess. Throws `INVALID_ARGUMENT` for a value that its field cannot hold. */
export const encodeDaemonProcess: (identity: Partial<DaemonProcess>) => Uint8Array = processCodec.encode;

/** Decodes a DaemonProcess. Throws `DECODE_FRAME`. */
export const decodeDaemonProcess: (body: Uint8Array) => DaemonProcess = processCodec.decode;
