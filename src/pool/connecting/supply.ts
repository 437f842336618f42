import { outOfContext } from '../../async-context.js';
import type { Clock } from '../../clock.js';
import { helloFrames } from '../../negotiation/exchange/hello.js';
import { BrokerPoolError } from '../../errors.js';
import { asPoolError } from '../acquire-errors.js';
import { Backoff } from './backoff.js';
import type { Capacity, CapacityUser } from '../capacity.js';
import { discard, type ConnectRequest, type Established, type OpensConnections } from './connector.js';
import { targetKey, type Target } from '../target.js';
import type { EventSources } from '../watching/events.js';
import { HandoffPolicy } from './handoff-policy.js';
import { Histogram } from '../watching/histogram.js';
import type { PoolSettings } from '../options.js';
import { PooledConnection, type CloseReason, type ConnectionOwner } from '../pooled-connection.js';
import { REFUSAL_MEMORY_MS, RefusalMemory } from './refusal-memory.js';
import type { Counters } from '../watching/stats.js';

/** Connections born together must not die together: each lives up to this share shorter than `maxLifetimeMs`. */
const LIFETIME_JITTER = 0.1;

/** What the supply of a target needs of its surroundings. */
export interface SupplyEnvironment {
  readonly settings: PoolSettings;
  readonly connector: OpensConnections;
  readonly clock: Clock;
  readonly events: EventSources;
  /** Shared by all targets; `undefined` where the pool has no `maxTotal`. */
  readonly capacity: Capacity | undefined;
  nextConnectionId(): number;
}

/** The target pool, as its supply sees it. */
export interface SupplyOwner extends ConnectionOwner, CapacityUser {
  /** Connections that are open. */
  readonly size: number;
  /** Until when somebody waits, on the monotonic clock; 0 where nobody does. */
  wantedUntilMs(): number;
  /** A connection is ready; the owner's from here on. */
  onOpened(connection: PooledConnection): void;
  onOpenFailed(error: BrokerPoolError): void;
}

/** Opens the connections of one target: as many at once as allowed, with pauses after failures, and none while a refusal forbids it. */
export class Supply {
  readonly target: Target;
  readonly key: string;
  readonly connectTimes = new Histogram();
  readonly #environment: SupplyEnvironment;
  readonly #owner: SupplyOwner;
  readonly #counters: Counters;
  readonly #request: ConnectRequest;
  readonly #handoff: HandoffPolicy;
  readonly #backoff: Backoff;
  readonly #refusal: RefusalMemory;
  #connecting = 0;
  /** Of these, how many nobody waited for when they began: one at most. */
  #connectingSpare = 0;
  #generation = 0;
  #everConnected = false;
  #lastError: BrokerPoolError | undefined;
  #stopped = false;

  constructor(target: Target, environment: SupplyEnvironment, counters: Counters, owner: SupplyOwner) {
    const { clock, settings } = environment;
    this.target = target;
    this.key = targetKey(target);
    this.#environment = environment;
    this.#owner = owner;
    this.#counters = counters;
    this.#backoff = new Backoff(clock, () => owner.pump());
    this.#refusal = new RefusalMemory(clock, () => owner.pump());
    this.#handoff = new HandoffPolicy(settings.adoptHandedOffConnection, clock);
    const { clientVersion, clientLibName, clientLibVersion, clientKeepaliveSecs } = settings;
    const helloFrame = helloFrames({ ...target, clientVersion, clientLibName, clientLibVersion, clientKeepaliveSecs });
    this.#request = {
      target,
      key: this.key,
      hello: (adopts) => helloFrame(adopts || settings.handoffToken),
      maySkipHello: (settings.selfVersion ?? target.wantedVersion) === target.wantedVersion,
      handoff: this.#handoff,
      isCold: () => !this.#everConnected,
      wantedUntilMs: () => owner.wantedUntilMs(),
      onAttemptFailed: (error) => void (this.#lastError = error),
    };
  }

  /** Connects under way. */
  get connecting(): number {
    return this.#connecting;
  }

  /** Why connecting failed last, be it that a connect under way is about to try again; if it has not worked since. */
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
    if (!this.#hasRoom() || this.#environment.capacity?.take(this.#owner) === false) return false;
    void outOfContext(() => this.#connect(false));
    return true;
  }

  /** Begins a connect for nobody, to keep the pool warm: one at a time. Returns false where that is not allowed now. */
  openSpare(): boolean {
    if (this.#backoff.pausing || this.#refusal.forbidsSpare || this.#connectingSpare > 0) return false;
    if (!this.#hasRoom() || this.#environment.capacity?.takeSpare(this.#owner) === false) return false;
    void outOfContext(() => this.#connect(true));
    return true;
  }

  /** Learns from how a connection ended. */
  onClosed({ route, heard }: PooledConnection, reason: CloseReason): void {
    if (route === 'handle-passed') this.#handoff.onClosed(heard, reason === 'stale' || reason === 'error');
  }

  /** Connects that began before this bring connections that are stale. */
  clear(): void {
    this.#generation += 1;
    this.retryNow();
  }

  /** Forgets pauses and refusals; what is under way tries again at once. */
  retryNow(): void {
    this.#forgetFailures();
    this.#environment.connector.retryNow(this.key);
  }

  /** Ends the pauses; nothing is opened from here on. */
  stop(): void {
    this.#stopped = true;
    this.#forgetFailures();
  }

  /** Whether no connect can begin before something else has ended. */
  get full(): boolean {
    const { max, maxConnecting } = this.#environment.settings;
    return this.#connecting >= maxConnecting || this.#owner.size + this.#connecting >= max;
  }

  #forgetFailures(): void {
    this.#refusal.forget();
    this.#backoff.reset();
  }

  #hasRoom(): boolean {
    return !this.#stopped && !this.full;
  }

  /** The connection belongs to the pool: nobody who gives up takes it along. */
  async #connect(spare: boolean): Promise<void> {
    const { clock, connector, events } = this.#environment;
    const attempt = { id: this.#environment.nextConnectionId(), startedMs: clock.now(), generation: this.#generation };
    this.#connecting += 1;
    if (spare) this.#connectingSpare += 1;
    if (events.connectionCreated.wanted) events.connectionCreated.publish({ pool: events.pool, target: this.target, connectionId: attempt.id });
    let established: Established | BrokerPoolError;
    try {
      established = await connector.connect(this.#request);
    } catch (error) {
      established = asPoolError(error);
    }
    if (spare) this.#connectingSpare -= 1;
    if (established instanceof Error) this.#onFailed(attempt, established);
    else this.#onEstablished(attempt, established);
  }

  #onEstablished({ id, startedMs, generation }: Attempt, established: Established): void {
    if (this.#stopped) {
      discard(established);
      this.#onFailed({ id, startedMs, generation }, new BrokerPoolError('POOL_CLOSED', 'the pool ended while this connection was opened'));
      return;
    }
    this.#everConnected = true;
    this.#lastError = undefined;
    // Other connects of the target stay in their pauses: the broker may have asked for them.
    this.#forgetFailures();
    const { clock, settings, events } = this.#environment;
    const bornMs = clock.now();
    const connectMs = bornMs - startedMs;
    this.#counters.createdByRoute[established.route] += 1;
    this.connectTimes.record(connectMs);
    if (events.connectionReady.wanted) {
      const { route, endpoint } = established;
      events.connectionReady.publish({ pool: events.pool, target: this.target, connectionId: id, route, endpoint, connectMs });
    }
    const expiresAtMs = Math.ceil(bornMs + settings.maxLifetimeMs * (1 - LIFETIME_JITTER * clock.random()));
    const connection = new PooledConnection(id, established, this.#owner, Math.floor(bornMs), expiresAtMs);
    if (generation !== this.#generation) connection.retired = 'stale';
    // Not before: a listener of the event above may acquire, and this connection must count until it is the owner's.
    this.#connecting -= 1;
    this.#owner.onOpened(connection);
  }

  #onFailed({ id, startedMs }: Attempt, error: BrokerPoolError): void {
    this.#connecting -= 1;
    this.#lastError = error;
    this.#counters.connectFailures += 1;
    if (!this.#stopped) this.#backoff.onFailure(this.#refusal.consider(error) ? REFUSAL_MEMORY_MS : 0);
    const { clock, events, capacity } = this.#environment;
    if (events.connectionClosed.wanted) {
      const ageMs = clock.now() - startedMs;
      events.connectionClosed.publish({ pool: events.pool, target: this.target, connectionId: id, reason: 'error', wasReady: false, ageMs, uses: 0, error });
    }
    this.#owner.onOpenFailed(error);
    capacity?.giveBack();
  }
}

/** One connect under way. */
interface Attempt {
  readonly id: number;
  readonly startedMs: number;
  readonly generation: number;
}
