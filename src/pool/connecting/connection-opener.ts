import { outOfContext } from '../../async-context.js';
import type { Clock } from '../../clock.js';
import { helloFrames } from '../../negotiation/exchange/hello.js';
import { asFailure, BrokerPoolError } from '../../errors.js';
import { asPoolError } from '../acquire-errors.js';
import { Backoff } from './backoff.js';
import type { Capacity, CapacityUser } from '../capacity.js';
import type { EndpointCache } from '../endpoint-cache.js';
import {
  discard,
  type AttemptCounts,
  type ConnectRequest,
  type NewConnection,
  type OpensConnections,
} from './connector.js';
import { ConnectsUnderWay, type PendingConnect } from './connects-under-way.js';
import { targetKey, type Target } from '../target.js';
import type { EventSources } from '../watching/event-sources.js';
import { EndpointDoubts } from './endpoint-doubts.js';
import { HandoffPolicy } from './handoff-policy.js';
import { Histogram } from '../watching/histogram.js';
import type { PoolSettings } from '../options.js';
import { PooledConnection, type CloseReason, type ConnectionOwner } from '../pooled-connection.js';
import { REFUSAL_CACHE_MS, RefusalCache } from './refusal-cache.js';
import type { RetryingConnect } from './retries.js';
import type { Counters } from '../watching/stats.js';

/**
 * Connections born together must not die together: each lives up to this share shorter than `maxLifetimeMs`.
 */
const LIFETIME_JITTER = 0.1;

/** What the opener of a target needs of its surroundings. */
export interface ConnectionOpenerEnvironment {
  readonly settings: PoolSettings;
  readonly connector: OpensConnections;
  readonly cache: EndpointCache | undefined;
  readonly clock: Clock;
  readonly events: EventSources;
  /** Shared by all targets; `undefined` where the pool has no `maxTotal`. */
  readonly capacity: Capacity | undefined;
  nextConnectionId(): number;
}

/** The target pool, as its opener sees it. */
export interface ConnectionOpenerOwner extends ConnectionOwner, CapacityUser {
  /** Connections that are open. */
  readonly size: number;
  /** Until when somebody waits, on the monotonic clock; 0 where nobody does. */
  wantedUntilMs(): number;
  /** A connection is ready; the owner's from here on. */
  onOpened(connection: PooledConnection): void;
  onOpenFailed(error: BrokerPoolError): void;
}

/**
 * Opens the connections of one target: as many at once as allowed, with pauses after failures, and none while
 * a refusal forbids it.
 */
export class ConnectionOpener {
  readonly target: Target;
  readonly key: string;
  readonly connectTimes = new Histogram();
  readonly connects: ConnectsUnderWay;
  readonly attempts: AttemptCounts = { begun: 0, ended: 0 };
  readonly #environment: ConnectionOpenerEnvironment;
  readonly #owner: ConnectionOpenerOwner;
  readonly #counters: Counters;
  readonly #request: ConnectRequest;
  readonly #handoff: HandoffPolicy;
  readonly #backoff: Backoff;
  readonly #doubts: EndpointDoubts;
  readonly #refusal: RefusalCache;
  /** How many are under way that began without a caller: one at most. */
  #spareUnderWay = 0;
  #generation = 0;
  #everConnected = false;
  #lastError: BrokerPoolError | undefined;
  #stopped = false;

  constructor(
    target: Target,
    environment: ConnectionOpenerEnvironment,
    counters: Counters,
    owner: ConnectionOpenerOwner,
  ) {
    const { clock, settings } = environment;
    this.target = target;
    this.key = targetKey(target);
    this.#environment = environment;
    this.#owner = owner;
    this.#counters = counters;
    this.connects = new ConnectsUnderWay(environment.capacity);
    this.#backoff = new Backoff(clock, () => owner.pump());
    const forget = (endpoint: string): void => environment.cache?.invalidate(this.key, endpoint);
    this.#doubts = new EndpointDoubts(clock, forget, () => owner.pump());
    this.#refusal = new RefusalCache(clock, () => owner.pump());
    this.#handoff = new HandoffPolicy(settings.adoptHandedOffConnection, clock);
    const { clientVersion, clientLibName, clientLibVersion, clientKeepaliveSecs } = settings;
    const helloFrame = helloFrames({
      ...target,
      clientVersion,
      clientLibName,
      clientLibVersion,
      clientKeepaliveSecs,
    });
    this.#request = {
      target,
      attempts: this.attempts,
      key: this.key,
      hello: (adopts) => helloFrame(adopts || settings.handoffToken),
      maySkipHello: (settings.selfVersion ?? target.wantedVersion) === target.wantedVersion,
      handoff: this.#handoff,
      isCold: () => !this.#everConnected,
    };
  }

  /**
   * What a caller of the queue waits for who waits for a connect, its pauses and those between failed
   * connects included; `undefined` where there is none.
   *
   * @param mayOpen how many connections the limits allow besides
   */
  phase(mayOpen: number): 'hello' | 'connect' | undefined {
    if (this.connects.expected === 0) return this.#backoff.pausing && mayOpen > 0 ? 'connect' : undefined;
    return this.#environment.connector.isNegotiating(this.key) ? 'hello' : 'connect';
  }

  /**
   * Why connecting failed last, be it that a connect under way is about to try again; if it has not worked
   * since.
   */
  get lastError(): BrokerPoolError | undefined {
    return this.#lastError;
  }

  /** The refusal that forbids this target for the moment. */
  get refusal(): BrokerPoolError | undefined {
    return this.#refusal.current();
  }

  /** Begins a connect for a caller who waits. Returns false where that is not allowed now. */
  open(): boolean {
    // With nothing open, nobody else can serve those who wait: they had better learn at once why not.
    if (this.#backoff.pausing && this.#owner.size > 0) return false;
    if (this.connects.displaced === 0 && !this.#hasRoom()) return false;
    if (this.#environment.capacity?.take(this.#owner) === false) return false;
    if (!this.connects.place()) void outOfContext(() => this.#connect(false));
    return true;
  }

  /**
   * Begins a connect for nobody, to keep the pool warm: one at a time. Returns false where that is not
   * allowed now.
   */
  openSpare(): boolean {
    if (
      this.#backoff.pausing ||
      this.#doubts.forbidsSpare ||
      this.#refusal.forbidsSpare ||
      this.#spareUnderWay > 0
    )
      return false;
    if (!this.#hasRoom() || this.#environment.capacity?.takeSpare(this.#owner) === false) return false;
    void outOfContext(() => this.#connect(true));
    return true;
  }

  /** Learns from how a connection ended. */
  onClosed(connection: PooledConnection, reason: CloseReason): void {
    const { route, everReceived } = connection;
    if (route === 'handle-passed')
      this.#handoff.onClosed(everReceived, reason === 'stale' || reason === 'error');
    if (!this.#stopped) this.#doubts.onClosed(connection, reason);
  }

  /**
   * Whether a new connection leads to an endpoint that is only remembered, so that it is validated before its
   * first lease.
   */
  isFromMemory(connection: PooledConnection): boolean {
    // A test's endpoint is not remembered, and there is no broker to ask instead.
    return !this.#environment.settings.testSeams && this.#doubts.isFromMemory(connection);
  }

  /**
   * Forgets the endpoint and what speaks against it. Connects that began before this bring connections that
   * are stale.
   */
  clear(connections: Iterable<PooledConnection>): void {
    for (const connection of connections) this.#doubts.excuse(connection);
    this.#generation += 1;
    this.#environment.cache?.delete(this.key);
    this.retryNow();
  }

  /** Forgets pauses and refusals; what is under way tries again at once. */
  retryNow(): void {
    this.#forgetFailures();
    this.#doubts.reset();
    this.#environment.connector.retryNow(this.key);
  }

  /** Ends the pauses; nothing is opened from here on. */
  stop(): void {
    this.#stopped = true;
    this.#forgetFailures();
    this.connects.dropUnwanted();
    this.#doubts.reset();
  }

  /** Whether no connect can begin before something else has ended. */
  get full(): boolean {
    // Not by `belowLimits`: each caller who begins to wait asks, and the call shows.
    const { max, maxConnecting } = this.#environment.settings;
    const { size } = this.connects;
    return (
      (size >= maxConnecting || this.#owner.size + size >= max) &&
      (size === 0 || this.connects.displaced === 0)
    );
  }

  /** Whether `max` and `maxConnecting` leave room for another connect. */
  belowLimits(): boolean {
    const { max, maxConnecting } = this.#environment.settings;
    const { size } = this.connects;
    return size < maxConnecting && this.#owner.size + size < max;
  }

  #forgetFailures(): void {
    this.#refusal.forget();
    this.#backoff.reset();
  }

  #hasRoom(): boolean {
    return !this.#stopped && this.belowLimits();
  }

  /** The connection belongs to the pool: nobody who gives up takes it along. */
  async #connect(spare: boolean): Promise<void> {
    const { clock, connector, events } = this.#environment;
    const id = this.#environment.nextConnectionId();
    const connect: PendingConnect = {
      id,
      startedMs: clock.now(),
      generation: this.#generation,
      spare,
      dropped: false,
      resume: undefined,
    };
    this.connects.begin(connect);
    if (spare) this.#spareUnderWay += 1;
    if (events.connectionCreated.wanted)
      events.connectionCreated.publish({ pool: events.pool, target: this.target, connectionId: id });
    let opened: NewConnection | BrokerPoolError;
    try {
      opened = await connector.connect(this.#request, this.#retrying(connect));
    } catch (error) {
      opened = asPoolError(error);
    }
    if (spare) this.#spareUnderWay -= 1;
    if (opened instanceof Error) this.#onFailed(connect, opened);
    else this.#onConnected(connect, opened);
  }

  /** A connect as its retries see it. */
  #retrying(connect: PendingConnect): RetryingConnect {
    return {
      startedMs: connect.startedMs,
      wantedUntilMs: () => this.#owner.wantedUntilMs(),
      onPause: (error, attempt, delayMs) => this.#onPause(connect, error, attempt, delayMs),
      onPauseOver: () => this.#onPauseOver(connect),
    };
  }

  #onPause(connect: PendingConnect, error: BrokerPoolError, attempt: number, delayMs: number): void {
    this.#lastError = error;
    this.#counters.retries += 1;
    const { connectRetrying, pool } = this.#environment.events;
    if (connectRetrying.wanted)
      connectRetrying.publish({
        pool,
        target: this.target,
        connectionId: connect.id,
        attempt,
        delayMs,
        error: asFailure(error),
      });
    this.connects.pause(connect);
  }

  #onPauseOver(connect: PendingConnect): Promise<boolean> {
    const isWanted = this.connects.awaitPlace(connect);
    // Ends it where no caller waits, and else finds a place for it.
    if (this.#stopped) this.connects.dropUnwanted();
    else this.#owner.pump();
    return isWanted;
  }

  #onConnected(connect: PendingConnect, opened: NewConnection): void {
    const { id, startedMs, generation } = connect;
    if (this.#stopped) {
      discard(opened);
      this.#onFailed(
        connect,
        new BrokerPoolError('POOL_CLOSED', 'the pool ended while this connection was opened'),
      );
      return;
    }
    this.#everConnected = true;
    this.#lastError = undefined;
    // Other connects of the target stay in their pauses: the broker may have asked for them.
    this.#forgetFailures();
    const { clock, settings, events } = this.#environment;
    if (opened.route !== 'hello-skip') this.#doubts.onNamed(opened.endpoint);
    const bornMs = clock.now();
    const connectMs = bornMs - startedMs;
    this.#counters.createdByRoute[opened.route] += 1;
    this.connectTimes.record(connectMs);
    if (events.connectionReady.wanted) {
      const { route, endpoint } = opened;
      events.connectionReady.publish({
        pool: events.pool,
        target: this.target,
        connectionId: id,
        route,
        endpoint,
        connectMs,
      });
    }
    const expiresAtMs = Math.ceil(bornMs + settings.maxLifetimeMs * (1 - LIFETIME_JITTER * clock.random()));
    const connection = new PooledConnection(id, opened, this.#owner, Math.floor(bornMs), expiresAtMs);
    if (generation !== this.#generation) {
      connection.closeOnRelease = 'stale';
      this.#doubts.excuse(connection);
    }
    // Not before: a listener of the event above may acquire, and this connection must count until it is the
    // owner's.
    if (!this.connects.keepPlace(connect, this.#owner)) connection.closeOnRelease = 'evicted';
    this.#owner.onOpened(connection);
  }

  #onFailed(connect: PendingConnect, error: BrokerPoolError): void {
    const { id, startedMs } = connect;
    const hadPlace = this.connects.end(connect);
    this.#lastError = error;
    this.#counters.connectFailures += 1;
    if (!this.#stopped && !connect.dropped)
      this.#backoff.onFailure(this.#refusal.consider(error) ? REFUSAL_CACHE_MS : 0);
    const { clock, events, capacity } = this.#environment;
    if (events.connectionClosed.wanted) {
      const ageMs = clock.now() - startedMs;
      events.connectionClosed.publish({
        pool: events.pool,
        target: this.target,
        connectionId: id,
        reason: 'error',
        wasReady: false,
        ageMs,
        uses: 0,
        error: asFailure(error),
      });
    }
    if (connect.dropped) this.#owner.pump();
    else this.#owner.onOpenFailed(error);
    if (hadPlace) capacity?.giveBack();
  }
}
