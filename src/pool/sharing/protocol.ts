import type { NegotiatedInfo } from '../../negotiation/job.js';
import type { Route } from '../../negotiation/job.js';
import type { ErrorData } from './error-data.js';

/** Both ends must speak the same: a worker may have loaded another copy of this package. */
export const SHARING_VERSION = 1;

/** What a connection is known by, sent with the first lease of it. */
export interface ConnectionInfo {
  readonly endpoint: string;
  readonly route: Route;
  readonly negotiation:
    { readonly negotiated: NegotiatedInfo; readonly handoffToken: Uint8Array | undefined } | undefined;
}

/** Why a worker had a connection closed; `dirty` and `stale` are what it found at release. */
export type SharedCloseReason = 'destroyed' | 'error' | 'invalid' | 'dirty' | 'stale';

/**
 * From the pool's thread to a worker. `acquireId` is the worker's number for an acquire and the lease that
 * comes of it.
 */
export type HostMessage =
  /** The first one, in the port before anybody listens. */
  | { readonly kind: 'welcome'; readonly version: number; readonly acquireTimeoutMs: number }
  /** Room for descriptors on their way, behind what there is. */
  | { readonly kind: 'page'; readonly ledger: SharedArrayBuffer }
  | {
      readonly kind: 'lease';
      readonly acquireId: number;
      readonly connectionId: number;
      /** Where in the ledger the descriptor lies; -1: the worker has a duplicate already. */
      readonly slot: number;
      /** With a descriptor. */
      readonly info?: ConnectionInfo;
      /** What the pool's thread had read before anybody leased the connection. */
      readonly greeting?: Uint8Array;
    }
  | { readonly kind: 'failed'; readonly acquireId: number; readonly error: ErrorData }
  /** The connection is closed: a duplicate of it is good for nothing. */
  | { readonly kind: 'gone'; readonly connectionId: number }
  /** The pool serves this port no longer; nothing comes after this. */
  | { readonly kind: 'ended'; readonly error: ErrorData };

/** From a worker to the pool's thread. */
export type ClientMessage =
  | {
      readonly kind: 'acquire';
      readonly acquireId: number;
      readonly timeoutMs: number;
      /**
       * When the caller asked, on the monotonic clock, which all threads share but for a millisecond or so.
       */
      readonly askedAtMs: number;
      /**
       * Whether the caller may give up before: an abort signal for each acquire costs more than the rest of
       * it.
       */
      readonly abortable: boolean;
      readonly serviceName?: string;
      readonly wantedVersion?: string;
    }
  /**
   * Nobody waits for this acquire any more. A lease that is on its way nevertheless comes back as `release`.
   */
  | { readonly kind: 'abort'; readonly acquireId: number }
  | {
      readonly kind: 'release';
      readonly acquireId: number;
      /** The worker keeps its duplicate for the next lease of this connection. */
      readonly kept: boolean;
      /** The backend has said something on this connection. */
      readonly everReceived: boolean;
    }
  | { readonly kind: 'destroy'; readonly acquireId: number; readonly reason: SharedCloseReason }
  /** The thread wants nothing more, and has destroyed what it still had. Nothing comes after this. */
  | { readonly kind: 'leave' };

const CLOSE_REASONS: ReadonlySet<unknown> = new Set<SharedCloseReason>([
  'destroyed',
  'error',
  'invalid',
  'dirty',
  'stale',
]);

/**
 * A message of a worker, checked; `undefined` where it is none: a mistake over there must not become one in
 * the pool.
 */
export function parseClientMessage(value: unknown): ClientMessage | undefined {
  return isClientMessage(value) ? value : undefined;
}

function isClientMessage(value: unknown): value is ClientMessage {
  if (!isRecord(value)) return false;
  if (value['kind'] === 'leave') return true;
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
      return true;
    case 'release':
      return typeof value['kept'] === 'boolean' && typeof value['everReceived'] === 'boolean';
    case 'destroy':
      return CLOSE_REASONS.has(value['reason']);
    default:
      return false;
  }
}

/** The welcome that lies first in the port of a shared pool; `undefined` in any other port. */
export function parseWelcome(value: unknown): (HostMessage & { readonly kind: 'welcome' }) | undefined {
  return isWelcome(value) ? value : undefined;
}

function isWelcome(value: unknown): value is HostMessage & { readonly kind: 'welcome' } {
  return (
    isRecord(value) &&
    value['kind'] === 'welcome' &&
    typeof value['version'] === 'number' &&
    typeof value['acquireTimeoutMs'] === 'number'
  );
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
