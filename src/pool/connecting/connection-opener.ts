import { asFailure, BrokerPoolError, type BrokerPoolFailure, type TimeoutPhase } from '../../errors.js';
import { encodeHelloFrame } from '../../negotiation/exchange/hello.js';
import { acquireTimeoutError, type PoolSnapshot } from '../acquire-errors.js';
import type { AcquireQueue } from '../acquire-queue.js';
import type { EntryList } from '../containers.js';
import type { LeaseOwner, ResolvedBackend } from '../lease.js';
import type { PoolEnvironment } from '../pool-environment.js';
import type { CloseReason } from '../close-reason.js';
import { PooledConnection } from '../pooled-connection.js';
import type { PendingConnect, TargetLimits } from '../target-limits.js';
import { identityFileOf, targetKey, type Target } from '../../target.js';
import type { ConnectionCreatedEvent } from '../watching/events.js';
import { newCounters } from '../watching/stats.js';
import { Histogram } from '../../histogram.js';
import type { ConnectRequest, NewConnection } from './connect-request.js';
import { discard } from './connector.js';
import { FailureMemory } from './failure-memory.js';
import { HandoffPolicy } from './handoff-policy.js';
import type { FailedAttempt } from './retries.js';
import { REFUSAL_CACHE_MS } from './refusal-cache.js';

/** Connections born together must not die together: each lives up to this share less than `maxLifetimeMs`. */
const LIFETIME_JITTER = 0.1;

/** Opens the connections of one target by `begin`, `connect`, `finish`, and collects the facts for its errors. */
export class ConnectionOpener {
  readonly target: Target;
  /** Attempts to reach the target. */
  readonly attempts = { begun: 0, ended: 0 };
  readonly connectTimes = new Histogram();
  readonly counters = newCounters();
  /** Why the last attempt to connect failed; `undefined` once a connect has succeeded. Changed here only. */
  lastError: BrokerPoolError | undefined = undefined;
  readonly #environment: PoolEnvironment;
  readonly #entries: EntryList<PooledConnection>;
  readonly #limits: TargetLimits;
  readonly #owner: LeaseOwner;
  readonly #pump: () => void;
  readonly #request: ConnectRequest;
  #failures: FailureMemory | undefined;
  /** Connects under way that began without a caller: one at most. */
  #spareUnderWay = 0;
  #generation = 0;
  #stopped = false;

  /** @param owner gets the leases of the connections back @param pump is called at the end of a pause */
  constructor(
    target: Target,
    environment: PoolEnvironment,
    limits: TargetLimits,
    entries: EntryList<PooledConnection>,
    queue: AcquireQueue,
    owner: LeaseOwner,
    pump: () => void,
  ) {
    const { clock, settings } = environment;
    this.target = target;
    this.#environment = environment;
    this.#limits = limits;
    this.#entries = entries;
    this.#owner = owner;
    this.#pump = pump;
    const identity = { ...settings, ...target };
    const adopt = settings.adoptHandedOffConnection;
    const handoff = adopt === false ? undefined : new HandoffPolicy(adopt, clock);
    const hello = encodeHelloFrame(identity, settings.handoffToken);
    this.#request = {
      target,
      key: targetKey(target),
      attempts: this.attempts,
      waiters: queue,
      identityFile: identityFileOf(target, settings),
      hello,
      adoptingHello: handoff === undefined ? hello : encodeHelloFrame(identity, true),
      maySkipHello: (settings.selfVersion ?? target.wantedVersion) === target.wantedVersion,
      handoff,
      isCold: true,
      negotiation: undefined,
    };
  }

  /**
   * The error of a caller whose time is up, with what the caller has waited for.
   *
   * @param draining how many of the reserved connections are not under validation
   */
  timeoutError(timeoutMs: number, draining: number): BrokerPoolError {
    let phase: TimeoutPhase = this.#entries.reserved > draining ? 'validate' : 'queue';
    if (this.#limits.expected > 0) phase = this.#request.negotiation === undefined ? 'connect' : 'hello';
    else if (this.#failures?.backoff.pausing && this.#limits.mayOpen > 0) phase = 'connect';
    return acquireTimeoutError(timeoutMs, phase, this.lastError);
  }

  /** The state of the target that errors tell. */
  snapshot(): PoolSnapshot {
    const { max, counts } = this.#limits;
    return { target: this.target, max, attempts: this.attempts.begun, ...counts };
  }

  /** The endpoint of an open connection, or the remembered one where a connect may skip the Hello. */
  get known(): ResolvedBackend | undefined {
    const open = this.#entries.entries().find(({ closeOnRelease }) => closeOnRelease === undefined);
    if (open !== undefined) {
      const { endpoint, answer } = open;
      return { endpoint, ...(answer && { negotiated: answer.negotiated }) };
    }
    const endpoint = this.#request.maySkipHello ? this.#environment.cache?.get(this.#request.key) : undefined;
    return endpoint === undefined ? undefined : { endpoint };
  }

  /** The refusal that forbids this target for the moment. */
  get refusal(): BrokerPoolError | undefined {
    return this.#failures?.refusal.current();
  }

  /** Takes the slot of a connect for a caller that waits. Returns false where none may begin now. */
  takeSlot(): boolean {
    const { connects, lacking } = this.#limits;
    const isNew = lacking.size === 0;
    // Open connections may serve the caller, and the last connect under way tells all callers why none works:
    // a new one in place of each that fails would put that off until their deadlines. With neither, one begins.
    const othersDecide = this.#entries.size > 0 || (isNew && connects > 0);
    if (this.#failures?.backoff.pausing && othersDecide) return false;
    if (isNew && (this.#stopped || !this.#limits.belowLimits())) return false;
    return this.#environment.capacity?.take(this.#limits) !== false;
  }

  /** Takes the slot of a connect to maintain `min`: one at a time. Returns false where none may begin now. */
  takeSpareSlot(): boolean {
    if (this.#spareUnderWay > 0 || this.#failures?.forbidsSpare) return false;
    if (this.#stopped || !this.#limits.belowLimits()) return false;
    return this.#environment.capacity?.takeSpare(this.#limits) !== false;
  }

  /** Begins a connect, for which a slot has been taken. */
  begin(spare: boolean): PendingConnect {
    const { clock, events, ids } = this.#environment;
    const connect = this.#limits.begin(++ids.connection, clock.now(), this.#generation, spare);
    if (spare) this.#spareUnderWay += 1;
    if (events.connectionCreated.wanted) events.connectionCreated.publish(this.#subject(connect.id));
    return connect;
  }

  /** Connects, with retries for as long as a caller waits. */
  connect(connect: PendingConnect): Promise<NewConnection> {
    return this.#environment.connector.connect(this.#request, connect.startedMs, (failed) =>
      this.#beforeRetry(connect, failed),
    );
  }

  /** Ends a connect: makes a pooled connection, or learns from the failure. Its slot is the pump's. */
  finish(
    connect: PendingConnect,
    opened: NewConnection | BrokerPoolError,
  ): PooledConnection | BrokerPoolError {
    if (connect.spare) this.#spareUnderWay -= 1;
    if (opened instanceof Error) return this.#onFailed(connect, opened);
    if (this.#stopped) {
      discard(opened);
      return this.#onFailed(connect, new BrokerPoolError('POOL_CLOSED', 'the pool ended meanwhile'));
    }
    this.#request.isCold = false;
    this.lastError = undefined;
    // Other connects of the target stay in their pauses: the broker may have asked for them.
    this.#failures?.onConnected();
    const { clock, settings, events } = this.#environment;
    const { route, endpoint } = opened;
    if (route !== 'hello-skip') this.#failures?.doubts.onNamed(endpoint);
    const bornMs = clock.now();
    const connectMs = bornMs - connect.startedMs;
    this.counters.createdByRoute[route] += 1;
    this.connectTimes.record(connectMs);
    if (events.connectionReady.wanted)
      events.connectionReady.publish({ ...this.#subject(connect.id), route, endpoint, connectMs });
    const expiresAtMs = bornMs + settings.maxLifetimeMs * (1 - LIFETIME_JITTER * clock.random());
    const connection = new PooledConnection(connect.id, opened, this.#owner, bornMs, expiresAtMs);
    if (connect.generation !== this.#generation) {
      connection.closeOnRelease = 'stale';
      this.#memory.doubts.excuse(connection);
    }
    // Last: a listener of the event may acquire, and the connect must count until the connection does.
    if (!this.#limits.keepSlot(connect)) connection.closeOnRelease = 'evicted';
    return connection;
  }

  #onFailed(connect: PendingConnect, error: BrokerPoolError): BrokerPoolError {
    this.#limits.end(connect);
    this.lastError = error;
    this.counters.connectFailures += 1;
    if (!this.#stopped && !connect.dropped) {
      const { backoff, refusal } = this.#memory;
      backoff.onFailure(refusal.consider(error) ? REFUSAL_CACHE_MS : 0);
    }
    const { id, startedMs: bornMs } = connect;
    this.publishClosed({ id, bornMs, uses: 0 }, 'error', asFailure(error), false);
    return error;
  }

  /** Counts a connection that closes, and learns from how it ended. */
  onClosed(connection: PooledConnection, reason: CloseReason): void {
    const { route, uses } = connection;
    this.counters.closedByReason[reason] += 1;
    this.counters.acquiredByRoute[route] += uses;
    if (route === 'handle-passed')
      this.#request.handoff?.onClosed(connection.everReceived, reason === 'stale' || reason === 'error');
    if (!this.#stopped) this.#memory.doubts.onClosed(connection, reason);
  }

  /** Publishes that a connection is closed, or that a connect has failed, which never was ready. */
  publishClosed(
    { id, bornMs, uses }: Pick<PooledConnection, 'id' | 'bornMs' | 'uses'>,
    reason: CloseReason,
    error: BrokerPoolFailure | undefined,
    wasReady = true,
  ): void {
    const { clock, events } = this.#environment;
    if (!events.connectionClosed.wanted) return;
    const end = { reason, wasReady, ageMs: clock.now() - bornMs, uses, ...(error && { error }) };
    events.connectionClosed.publish({ ...this.#subject(id), ...end });
  }

  /** The fields that all events of a connection have. */
  #subject(connectionId: number): ConnectionCreatedEvent {
    return { pool: this.#environment.events.pool, target: this.target, connectionId };
  }

  /** Whether a new connection was dialled from memory, so that it is validated before its first lease. */
  isFromMemory(connection: PooledConnection): boolean {
    // A test's endpoint is not remembered, and there is no broker to ask instead.
    if (this.#environment.settings.testSeams) return false;
    return this.#failures?.doubts.isFromMemory(connection) ?? connection.route === 'hello-skip';
  }

  /** Forgets the endpoint and the evidence against it. Connects under way bring stale connections. */
  clear(): void {
    for (const connection of this.#entries.entries()) this.#memory.doubts.excuse(connection);
    this.#generation += 1;
    this.#environment.cache?.delete(this.#request.key);
    this.retryNow();
  }

  /** Forgets pauses and refusals; connects under way try again at once. */
  retryNow(): void {
    this.#failures?.reset();
    this.#environment.connector.retryNow(this.#request.key);
  }

  /** Ends the pauses; nothing is opened from here on. */
  stop(): void {
    this.#stopped = true;
    this.#limits.dropUnwanted();
    this.#failures?.reset();
  }

  get #memory(): FailureMemory {
    const { clock, cache } = this.#environment;
    const forget = (endpoint: string): void => cache?.invalidate(this.#request.key, endpoint);
    return (this.#failures ??= new FailureMemory(clock, forget, this.#pump));
  }

  async #beforeRetry(
    connect: PendingConnect,
    { error, attempt, delayMs, pause }: FailedAttempt,
  ): Promise<boolean> {
    this.lastError = error;
    this.counters.retries += 1;
    const { connectRetrying } = this.#environment.events;
    if (connectRetrying.wanted)
      connectRetrying.publish({ ...this.#subject(connect.id), attempt, delayMs, error: asFailure(error) });
    this.#limits.pause(connect);
    await pause();
    const isWanted = this.#limits.awaitSlot(connect);
    // Drops the connect where no caller waits, and else finds a slot for it.
    if (this.#stopped) this.#limits.dropUnwanted();
    else this.#pump();
    return await isWanted;
  }
}
