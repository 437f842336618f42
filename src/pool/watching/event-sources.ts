import { channel, type Channel } from 'node:diagnostics_channel';
import type { EventEmitter } from 'node:events';
import { outOfContext, type RunInContext } from '../../async-context.js';
import { throwLater } from '../../clock.js';
import { warnProcess } from '../../process-warning.js';
import { didYouMean } from '../../did-you-mean.js';
import { quoted } from '../../validation.js';
import { debugWriter } from './debug-events.js';
import { POOL_EVENT_NAMES, type PoolEventName, type PoolEvents } from './events.js';

/**
 * One event of one pool, on its way to the pool's listeners and to the diagnostics channel `broker-pool:` and
 * its name.
 */
export class EventSource<Name extends PoolEventName> {
  readonly #name: Name;
  readonly #emitter: EventEmitter;
  readonly #channel: Channel;
  readonly #context: RunInContext | undefined;
  readonly #debug: ((event: PoolEvents[Name]) => void) | undefined;
  /** Whether the event is published without subscribers: it has listeners, or a debug line. */
  listening: boolean;

  /** @param context where listeners and subscribers run; `undefined` for that of the publishing call */
  constructor(name: Name, emitter: EventEmitter, context?: RunInContext) {
    this.#name = name;
    this.#emitter = emitter;
    this.#channel = channel(`broker-pool:${name}`);
    this.#context = context;
    this.#debug = debugWriter(name);
    this.listening = this.#debug !== undefined;
  }

  setListening(isListening: boolean): void {
    this.listening = isListening || this.#debug !== undefined;
  }

  /** Whether there are listeners or subscribers. Without them, an event costs this question. */
  get wanted(): boolean {
    return this.listening || this.#channel.hasSubscribers;
  }

  /** @param context of the caller that the event is about, where another caller publishes it */
  publish(event: PoolEvents[Name], context = this.#context): void {
    if (context === undefined) this.#publish(event);
    else context(() => this.#publish(event));
  }

  /**
   * A listener that throws is the listener's fault: its error goes up as uncaught and leaves the pool alone.
   */
  #publish(event: PoolEvents[Name]): void {
    this.#debug?.(event);
    this.#channel.publish(event);
    if (!this.listening) return;
    try {
      this.#emitter.emit(this.#name, event);
    } catch (error) {
      throwLater(error);
    }
  }
}

/** Which events of acquires are published without subscribers. Plain fields, which each acquire reads. */
export interface AcquireListeners {
  /** One of `acquireStarted`, `acquired` and `released`; true also where leaks are watched for. */
  ofLeases: boolean;
  /** One of those, or `acquireFailed`. */
  ofWaits: boolean;
}

/** All events of one pool, and its name, which each of them bears. */
export type EventSources = { readonly pool: string; readonly listeners: AcquireListeners } & {
  readonly [Name in PoolEventName]: EventSource<Name>;
};

/**
 * @param emitter the pool, on which users call `on`
 * @param watchesLeaks whether each lease is watched, with or without listeners
 */
export function createEventSources(pool: string, emitter: EventEmitter, watchesLeaks: boolean): EventSources {
  const listeners: AcquireListeners = { ofLeases: watchesLeaks, ofWaits: watchesLeaks };
  const sources: EventSources = {
    pool,
    listeners,
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
  const countListeners = (): void => {
    const { acquireStarted, acquired, released, acquireFailed } = sources;
    listeners.ofLeases = watchesLeaks || acquireStarted.listening || acquired.listening || released.listening;
    listeners.ofWaits = listeners.ofLeases || acquireFailed.listening;
  };
  countListeners();
  const byName = new Map<string | symbol, { setListening(isListening: boolean): void }>(
    POOL_EVENT_NAMES.map((name) => [name, sources[name]]),
  );
  emitter.on('newListener', (added: string | symbol) => {
    if (!byName.has(added)) warnOfUnknownEvent(added);
    byName.get(added)?.setListening(true);
    countListeners();
  });
  emitter.on('removeListener', (removed: string | symbol) => {
    byName.get(removed)?.setListening(emitter.listenerCount(removed) > 0);
    countListeners();
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
