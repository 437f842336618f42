import type { ErrorData } from '../error-data.js';
import type { NegotiatedInfo, Route } from '../negotiation/job.js';

/**
 * The version of the messages between the pool's thread and a client: another thread that uses the pool, and may
 * have loaded another copy of this package.
 */
export const SHARING_VERSION = 4;

/** Describes a connection; sent with its first lease to a client. */
export interface ConnectionInfo {
  readonly endpoint: string;
  readonly route: Route;
  readonly answer:
    | { readonly negotiated: NegotiatedInfo; readonly handoffToken: Uint8Array | undefined }
    | undefined;
}

const CLOSE_REASONS = ['destroyed', 'error', 'invalid', 'dirty', 'stale'] as const;

/** The target and limits of a call in a client that names none. */
export interface SharedDefaults {
  readonly acquireTimeoutMs: number;
  readonly brokerEndpoint?: string | undefined;
  readonly serviceName?: string | undefined;
  readonly wantedVersion?: string | undefined;
  readonly identityFile?: string | undefined;
}

/** Why a client had a connection closed; it finds `dirty` and `stale` at release. */
export type SharedCloseReason = (typeof CLOSE_REASONS)[number];

/** The first message, in the port before `share` returns it. */
export interface Welcome extends SharedDefaults {
  readonly kind: 'welcome';
  readonly version: number;
  /** The memory of the `DescriptorLedger`. */
  readonly ledger: SharedArrayBuffer;
  /** The memory of the `LeaseLog`. */
  readonly log: SharedArrayBuffer;
}

/** Memory that a client reads and writes to claim a connection. */
export interface ClaimMemory {
  /** The memory of the connection's `ClaimWords`. */
  readonly words: SharedArrayBuffer;
  /** No claims while one of its 32-bit words is not 0: callers wait, or the pool closes. */
  readonly refusals: SharedArrayBuffer;
}

/** From the pool's thread to a client. `acquireId` is the client's number for an acquire and its lease. */
export type HostMessage =
  | Welcome
  | {
      readonly kind: 'lease';
      readonly acquireId: number;
      readonly connectionId: number;
      /** The ledger's slot with the descriptor; -1 if the client has a duplicate already. */
      readonly slot: number;
      /** With a descriptor. */
      readonly info?: ConnectionInfo | undefined;
      /** With a descriptor, if the client may claim the connection when it has given it back. */
      readonly claim?: ClaimMemory | undefined;
      /** Bytes that the pool's thread had read before the first lease of the connection. */
      readonly greeting?: Uint8Array | undefined;
    }
  | { readonly kind: 'failed'; readonly acquireId: number; readonly error: ErrorData }
  /** The connection is closed; the client closes its duplicate. */
  | { readonly kind: 'gone'; readonly connectionId: number }
  /** The client closes the detached connection as soon as it is at rest. */
  | { readonly kind: 'retire'; readonly connectionId: number }
  /** The pool no longer serves this port. The last message. */
  | { readonly kind: 'ended'; readonly error: ErrorData };

/** From a client to the pool's thread. */
export type ClientMessage =
  | {
      readonly kind: 'acquire';
      readonly acquireId: number;
      readonly timeoutMs: number;
      /** On the monotonic clock, which all threads share to within a millisecond or so. */
      readonly askedAtMs: number;
      /** Whether an `abort` may follow: an abort signal costs more than the rest of an acquire. */
      readonly abortable: boolean;
      readonly serviceName?: string | undefined;
      readonly wantedVersion?: string | undefined;
    }
  /** The client has written into the `LeaseLog`, which is read before each message. */
  | { readonly kind: 'read' }
  /** The caller has given up. A lease that is already on its way comes back as `release`. */
  | { readonly kind: 'abort'; readonly acquireId: number }
  /** Where the log has no room. */
  | {
      readonly kind: 'release';
      readonly acquireId: number;
      /** The client keeps its duplicate for its next lease of this connection. */
      readonly kept: boolean;
      /** Whether the client has ever received bytes on this connection. */
      readonly everReceived: boolean;
      /** The turn in which the connection may be claimed; 0 if it may not. */
      readonly turn: number;
    }
  /** The client has leased a connection again that it has just given back. Where the log has no room. */
  | { readonly kind: 'claimed'; readonly acquireId: number; readonly connectionId: number }
  /** The caller keeps the connection; `destroy` follows when its socket has closed. */
  | { readonly kind: 'detach'; readonly acquireId: number }
  | { readonly kind: 'destroy'; readonly acquireId: number; readonly reason: SharedCloseReason }
  /** The client has destroyed all its leases, and wants no more. The last message. */
  | { readonly kind: 'leave' };

export function isSharedCloseReason(value: unknown): value is SharedCloseReason {
  return CLOSE_REASONS.some((reason) => reason === value);
}

/** Whether a message of a client can be acted on: a bug in a client must not damage the pool. */
export function isClientMessage(value: unknown): value is ClientMessage {
  if (!isRecord(value)) return false;
  if (value['kind'] === 'leave' || value['kind'] === 'read') return true;
  if (!isCount(value['acquireId'])) return false;
  switch (value['kind']) {
    case 'acquire':
      return (
        typeof value['timeoutMs'] === 'number' &&
        typeof value['askedAtMs'] === 'number' &&
        typeof value['abortable'] === 'boolean' &&
        isOptionalText(value['serviceName']) &&
        isOptionalText(value['wantedVersion'])
      );
    case 'abort':
    case 'detach':
      return true;
    case 'release':
      return (
        typeof value['kept'] === 'boolean' &&
        typeof value['everReceived'] === 'boolean' &&
        isCount(value['turn'])
      );
    case 'claimed':
      return isCount(value['connectionId']);
    case 'destroy':
      return isSharedCloseReason(value['reason']);
    default:
      return false;
  }
}

/** Whether a message is the welcome of a shared pool. Its version decides whether the rest can be read. */
export function isWelcome(value: unknown): value is Welcome {
  return isRecord(value) && value['kind'] === 'welcome' && typeof value['version'] === 'number';
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isOptionalText(value: unknown): boolean {
  return value === undefined || typeof value === 'string';
}
