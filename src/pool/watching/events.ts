import type { BrokerPoolFailure, ErrorCode } from '../../errors.js';
import type { Route } from '../../negotiation/job.js';
import type { Target } from '../../target.js';
import type { CloseReason } from '../close-reason.js';

/** The fields of every event. */
export interface PoolEvent {
  /** The name of the pool. */
  readonly pool: string;
}

/** A connect begins. */
export interface ConnectionCreatedEvent extends PoolEvent {
  readonly target: Target;
  /** Unique in the pool; the same in all events of this connection. */
  readonly connectionId: number;
}

/** An attempt of a connect has failed, and another follows after a pause. */
export interface ConnectRetryingEvent extends ConnectionCreatedEvent {
  /** The number of the failed attempt; the first is 1. */
  readonly attempt: number;
  /** How long the pause is. The broker may end it sooner, where it had too many unanswered requests. */
  readonly delayMs: number;
  readonly error: BrokerPoolFailure;
}

/** A connect has succeeded. */
export interface ConnectionReadyEvent extends ConnectionCreatedEvent {
  readonly route: Route;
  readonly endpoint: string;
  readonly connectMs: number;
}

/** A connection is closed, or its connect has failed. */
export interface ConnectionClosedEvent extends ConnectionCreatedEvent {
  readonly reason: CloseReason;
  /** Whether it ever was ready; without that, `reason` is `error`. */
  readonly wasReady: boolean;
  /** Time since it became ready, or since its connect began. */
  readonly ageMs: number;
  /** How often it was leased. */
  readonly uses: number;
  /** Why the connect failed; or, with `invalid`, why `validate` said neither yes nor no. */
  readonly error?: BrokerPoolFailure;
}

/** A caller asks for a connection. */
export interface AcquireStartedEvent extends PoolEvent {
  readonly target: Target;
  /** Unique in the pool; the same in all events of this acquire and its lease. */
  readonly acquireId: number;
}

/** A caller has got a lease. */
export interface AcquiredEvent extends AcquireStartedEvent {
  readonly connectionId: number;
  readonly route: Route;
  readonly waitMs: number;
}

/** An acquire has failed. */
export interface AcquireFailedEvent extends AcquireStartedEvent {
  readonly reason: ErrorCode;
  readonly error: BrokerPoolFailure;
  readonly waitMs: number;
}

/**
 * A lease has ended, released, destroyed or detached, by its caller or by the pool's end. Each `acquired` has one.
 * A lease that began before there were listeners has none.
 */
export interface ReleasedEvent extends AcquireStartedEvent {
  readonly connectionId: number;
  readonly heldMs: number;
}

/** A lease is out for longer than `leakThresholdMs`, or its handle is lost. */
export interface LeakSuspectedEvent extends AcquireStartedEvent {
  readonly connectionId: number;
  readonly heldMs: number;
  /** Where the lease was acquired. */
  readonly stack: string;
  /**
   * The lease was garbage-collected without a release, so the pool closes its connection as `leaked`.
   */
  readonly lost: boolean;
}

/** `clear` was called for this target. */
export interface ClearedEvent extends PoolEvent {
  readonly target: Target;
}

/** The pool has ended; nothing comes after this. */
export interface ClosedEvent extends PoolEvent {
  /** From the call of `close` or `destroy`. */
  readonly durationMs: number;
}

/** All events, by name. Times are in milliseconds, as fine as a turn of the event loop. */
export interface PoolEvents {
  connectionCreated: ConnectionCreatedEvent;
  connectRetrying: ConnectRetryingEvent;
  connectionReady: ConnectionReadyEvent;
  connectionClosed: ConnectionClosedEvent;
  acquireStarted: AcquireStartedEvent;
  acquired: AcquiredEvent;
  acquireFailed: AcquireFailedEvent;
  released: ReleasedEvent;
  leakSuspected: LeakSuspectedEvent;
  cleared: ClearedEvent;
  closed: ClosedEvent;
}

export type PoolEventName = keyof PoolEvents;

export const POOL_EVENT_NAMES = [
  'connectionCreated',
  'connectRetrying',
  'connectionReady',
  'connectionClosed',
  'acquireStarted',
  'acquired',
  'acquireFailed',
  'released',
  'leakSuspected',
  'cleared',
  'closed',
] as const satisfies readonly PoolEventName[];

/** The form in which `EventEmitter` wants them. */
export type PoolEventMap = { [Name in PoolEventName]: [event: PoolEvents[Name]] };
