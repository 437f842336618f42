import { channel, type Channel } from 'node:diagnostics_channel';
import type { EventEmitter } from 'node:events';
import { outOfContext, type RunInContext } from '../../async-context.js';
import { throwLater } from '../../clock.js';
import type { BrokerPoolFailure, ErrorCode } from '../../errors.js';
import { warnProcess } from '../../process-warning.js';
import { didYouMean, quoted } from '../../validation.js';
import type { Route } from '../../negotiation/job.js';
import type { Target } from '../target.js';
import type { CloseReason } from '../pooled-connection.js';

/** What every event has. */
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
  /** Which attempt has failed; the first is 1. */
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
  /** Since it became ready, or since its connect began. */
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
 * A lease has ended, released or destroyed, by its caller or by the pool's end. Each `acquired` has one;
 * leases that began unheard have none.
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
   * The handle was garbage-collected: nobody can release the lease any more, so its connection is closed as
   * `leaked`.
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

/**
 * One event of one pool, on its way to the pool's listeners and to the diagnostics channel `broker-pool:` and
 * its name.
 */
export class EventSource<Name extends PoolEventName> {
  readonly #name: Name;
  readonly #emitter: EventEmitter;
  readonly #channel: Channel;
  readonly #context: RunInContext | undefined;
  /** Whether the emitter has listeners for it; {@link createEventSources} keeps it up to date. */
  listening = false;

  /** @param context where listeners and subscribers run; `undefined` for that of the publishing call */
  constructor(name: Name, emitter: EventEmitter, context?: RunInContext) {
    this.#name = name;
    this.#emitter = emitter;
    this.#channel = channel(`broker-pool:${name}`);
    this.#context = context;
  }

  /** Whether there are listeners or subscribers. Without them, an event costs this question. */
  get wanted(): boolean {
    return this.listening || this.#channel.hasSubscribers;
  }

  /** @param context of the caller whom the event is about, where that is not the one who publishes it */
  publish(event: PoolEvents[Name], context = this.#context): void {
    if (context === undefined) this.#publish(event);
    else context(() => this.#publish(event));
  }

  /**
   * A listener that throws is the listener's fault: its error goes up as uncaught and leaves the pool alone.
   */
  #publish(event: PoolEvents[Name]): void {
    this.#channel.publish(event);
    if (!this.listening) return;
    try {
      this.#emitter.emit(this.#name, event);
    } catch (error) {
      throwLater(error);
    }
  }
}

/** All events of one pool, and its name, which each of them bears. */
export type EventSources = { readonly pool: string } & {
  readonly [Name in PoolEventName]: EventSource<Name>;
};

/** @param emitter what the pool's users call `on` of */
export function createEventSources(pool: string, emitter: EventEmitter): EventSources {
  const sources: EventSources = {
    pool,
    connectionCreated: new EventSource('connectionCreated', emitter, outOfContext),
    connectRetrying: new EventSource('connectRetrying', emitter, outOfContext),
    connectionReady: new EventSource('connectionReady', emitter, outOfContext),
    connectionClosed: new EventSource('connectionClosed', emitter, outOfContext),
    acquireStarted: new EventSource('acquireStarted', emitter),
    acquired: new EventSource('acquired', emitter),
    acquireFailed: new EventSource('acquireFailed', emitter),
    released: new EventSource('released', emitter),
    leakSuspected: new EventSource('leakSuspected', emitter, outOfContext),
    cleared: new EventSource('cleared', emitter),
    closed: new EventSource('closed', emitter, outOfContext),
  };
  const byName = new Map<string | symbol, { listening: boolean }>(
    POOL_EVENT_NAMES.map((name) => [name, sources[name]]),
  );
  emitter.on('newListener', (added: string | symbol) => {
    const source = byName.get(added);
    if (source === undefined) warnOfUnknownEvent(added);
    else source.listening = true;
  });
  emitter.on('removeListener', (removed: string | symbol) => {
    const source = byName.get(removed);
    if (source !== undefined) source.listening = emitter.listenerCount(removed) > 0;
  });
  return sources;
}

/** Names that no pool emits, but which helpers such as `events.once` listen for. */
const EMITTER_EVENT_NAMES: readonly string[] = ['error', 'newListener', 'removeListener'];

/**
 * A misspelt event never comes. Refusing the listener would break an emitter's contract, so it is a warning.
 */
function warnOfUnknownEvent(name: string | symbol): void {
  if (typeof name === 'symbol' || EMITTER_EVENT_NAMES.includes(name)) return;
  warnProcess(
    'BROKER_POOL_UNKNOWN_EVENT',
    `a pool has no event ${quoted(name)}${didYouMean(name, POOL_EVENT_NAMES)}`,
  );
}
