import type { Socket } from 'node:net';
import type { NegotiatedInfo, Route } from '../../negotiation/job.js';
import type { Target } from '../../target.js';
import type { HandoffPolicy } from './handoff-policy.js';

/** One target as the connector sees it. */
export interface ConnectRequest {
  readonly target: Target;
  /** The key of the target in caches. */
  readonly key: string;
  /** Attempts to reach the target: Hellos, and dials that failed for want of something on this side. */
  readonly attempts: { begun: number; ended: number };
  /** Until when callers wait for a connection, on the monotonic clock; 0 without callers. */
  readonly waiters: { readonly wantedUntilMs: number };
  /** Names the backend: no broker is asked. */
  readonly identityFile: string | undefined;
  /** The framed Hello. */
  readonly hello: Uint8Array;
  /** The Hello of a negotiation whose handoff is adopted. */
  readonly adoptingHello: Uint8Array;
  /** Hello-skip is allowed: the wanted version is the caller's own. */
  readonly maySkipHello: boolean;
  /** Whether to wait for a handoff, learnt from connect to connect; `undefined`: never. */
  readonly handoff: HandoffPolicy | undefined;
  /** No connect to this target has succeeded yet: one Hello goes ahead, the others wait for it. */
  isCold: boolean;
  /** The negotiation for which other connects of the target wait; `undefined` while there is none. */
  negotiation: Promise<unknown> | undefined;
}

/** A connection that is ready to be leased. */
export interface NewConnection {
  readonly socket: Socket;
  readonly endpoint: string;
  readonly route: Route;
  readonly negotiated?: NegotiatedInfo;
  readonly handoffToken?: Uint8Array;
}
