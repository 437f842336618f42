import { onAbort } from '../abort.js';
import type { Clock } from '../clock.js';
import { BrokerPoolError, type TimeoutPhase } from '../errors.js';
import { encodeHelloFrame } from '../negotiation/hello.js';
import { printableEndpoint } from '../os/errno.js';
import { Bag } from './bag.js';
import type { ConnectRequest, Connector, Established } from './connector.js';
import { targetKey, type EndpointCache, type Target } from './endpoint-cache.js';
import { Lease, type LeaseOwner } from './lease.js';
import type { PoolSettings } from './options.js';
import { PooledConnection, type CloseReason, type ConnectionOwner } from './pooled-connection.js';
import { Reaper } from './reaper.js';
import { newCounters, type PoolCounts } from './stats.js';
import { Waiter } from './waiter.js';

/** What the pools of all targets share. */
export interface TargetEnvironment {
  readonly settings: PoolSettings;
  readonly connector: Connector;
  readonly cache: EndpointCache | undefined;
  readonly clock: Clock;
  /** Something came to an end; a closing pool looks whether that was the last. */
  onQuieter(): void;
}

/** First pause before another connect when one has failed while leases are out; it doubles up to the longest. */
const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 5_000;

/**
 * The pool of one target: policy over a {@link Bag}. Whatever frees or adds capacity calls `#pump`, and only there are waiters served;
 * whatever closes a connection goes through `#close`.
 */
export class TargetPool implements LeaseOwner, ConnectionOwner {
  readonly target: Target;
  readonly #environment: TargetEnvironment;
  readonly #bag = new Bag<PooledConnection, Waiter>();
  readonly #reaper: Reaper;
  readonly #counters = newCounters();
  readonly #request: ConnectRequest;
  #connecting = 0;
  #generation = 0;
  #latestDeadlineMs = 0;
  #everConnected = false;
  #lastConnectError: BrokerPoolError | undefined;
  #failuresInRow = 0;
  #cancelBackoff: (() => void) | undefined;
  #closing = false;
  #resting: NodeJS.Immediate | undefined;

  constructor(target: Target, environment: TargetEnvironment) {
    this.target = target;
    this.#environment = environment;
    this.#reaper = new Reaper(environment.clock, (connection, nowMs) => this.#lookAt(connection, nowMs));
    const { selfVersion } = environment.settings;
    this.#request = {
      target,
      key: targetKey(target),
      hello: encodeHelloFrame(target),
      maySkipHello: (selfVersion ?? target.wantedVersion) === target.wantedVersion,
      isCold: () => !this.#everConnected,
      wantedUntilMs: () => (this.#bag.waiting > 0 ? this.#latestDeadlineMs : 0),
    };
  }

  /** An idle connection at once, or `undefined`. */
  tryAcquire(): Lease | undefined {
    if (this.#closing || this.#bag.waiting > 0) return undefined;
    return this.#borrow();
  }

  /** A connection as soon as there is one; the checks of the options are behind us. */
  acquire(timeoutMs: number, signal: AbortSignal | undefined): Promise<Lease> {
    if (signal?.aborted) return Promise.reject(abortedError(signal));
    const lease = this.tryAcquire();
    if (lease !== undefined) return Promise.resolve(lease);
    if (this.#bag.waiting >= this.#environment.settings.maxWaiting) return Promise.reject(this.#queueFullError());
    return new Promise((resolve, reject) => this.#enqueue(timeoutMs, signal, resolve, reject));
  }

  onRelease(connection: PooledConnection): void {
    const nowMs = this.#environment.clock.now();
    const reason = this.#whyNotKeep(connection, nowMs);
    if (reason !== undefined) return this.#close(connection, reason);
    connection.reset();
    connection.idleSinceMs = nowMs;
    this.#bag.giveBack(connection);
    this.#scheduleRest();
    this.#afterChange();
  }

  onDestroy(connection: PooledConnection, reason: CloseReason): void {
    this.#close(connection, reason);
  }

  onIdleDeath(connection: PooledConnection, reason: CloseReason): void {
    this.#forgetEndpoint(connection);
    this.#close(connection, reason);
  }

  /** Forgets the endpoint; idle connections close now, leased ones when they come back, connects under way when they arrive. */
  clear(): void {
    this.#generation += 1;
    this.#environment.cache?.delete(this.#request.key);
    this.#closeIdle('stale');
  }

  /** Serves who waits, opens nothing for anybody else, keeps nothing that comes back. */
  beginClose(): void {
    this.#closing = true;
    if (this.#bag.waiting === 0) this.#closeIdle('poolClosed');
  }

  /** Whether nobody holds or waits for anything. */
  get quiet(): boolean {
    return this.#bag.leased === 0 && this.#bag.waiting === 0;
  }

  /** Closes everything and fails who waits. */
  destroy(error: BrokerPoolError): void {
    this.#closing = true;
    this.#rejectAll(error);
    this.#closeIdle('poolClosed');
    for (const connection of this.#bag.leasedEntries()) this.#close(connection, 'poolClosed');
    this.#reaper.stop();
    this.#cancelBackoff?.();
    clearImmediate(this.#resting);
  }

  counts(): PoolCounts {
    const { size: total, idle, leased, waiting } = this.#bag;
    return {
      total,
      idle,
      leased,
      connecting: this.#connecting,
      waiting,
      createdByRoute: Object.freeze({ ...this.#counters.createdByRoute }),
      closedByReason: Object.freeze({ ...this.#counters.closedByReason }),
    };
  }

  #enqueue(timeoutMs: number, signal: AbortSignal | undefined, resolve: (lease: Lease) => void, reject: (error: BrokerPoolError) => void): void {
    const { clock } = this.#environment;
    const startedMs = clock.now();
    const waiter = new Waiter(startedMs + timeoutMs, resolve, reject);
    const giveUp = (error: BrokerPoolError): void => {
      this.#bag.cancel(waiter);
      waiter.reject(error);
      this.#environment.onQuieter();
    };
    const cancelTimer = clock.schedule(timeoutMs, () => giveUp(this.#timeoutError(timeoutMs, clock.now() - startedMs)));
    const stopListening = signal && onAbort(signal, () => giveUp(abortedError(signal)));
    waiter.stopWatching = () => {
      cancelTimer();
      stopListening?.();
    };
    this.#latestDeadlineMs = Math.max(this.#latestDeadlineMs, waiter.deadlineMs);
    this.#bag.enqueue(waiter);
    this.#pump();
  }

  /** The one place where waiters are served and connects are begun. */
  #pump(): void {
    while (this.#bag.waiting > 0) {
      const lease = this.#borrow();
      if (lease === undefined) break;
      const waiter = this.#bag.dequeue();
      waiter?.stopWatching();
      waiter?.resolve(lease);
    }
    const { max, maxConnecting } = this.#environment.settings;
    while (
      this.#cancelBackoff === undefined &&
      this.#connecting < Math.min(maxConnecting, this.#bag.waiting, max - this.#bag.size)
    ) {
      void this.#connect();
    }
  }

  #afterChange(): void {
    this.#pump();
    if (this.#closing && this.#bag.waiting === 0) this.#closeIdle('poolClosed');
    if (this.#closing) this.#environment.onQuieter();
  }

  #borrow(): Lease | undefined {
    for (;;) {
      const connection = this.#bag.borrow();
      if (connection === undefined) return undefined;
      // Age needs no look here: the reaper takes idle connections that are too old.
      const reason = connection.unusableBecause();
      if (reason === undefined) return this.#lease(connection);
      this.#remove(connection, reason);
    }
  }

  #lease(connection: PooledConnection): Lease {
    connection.uses += 1;
    connection.wake();
    return new Lease(connection, this);
  }

  #whyNotKeep(connection: PooledConnection, nowMs: number): CloseReason | undefined {
    const { maxLifetimeMs, maxUses } = this.#environment.settings;
    if (connection.generation !== this.#generation) return 'stale';
    if (connection.uses >= maxUses) return 'uses';
    if (nowMs - connection.bornMs >= maxLifetimeMs) return 'lifetime';
    return connection.unusableBecause();
  }

  /** Opens one connection for whoever waits first by then. It belongs to the pool: nobody who gives up takes it along. */
  async #connect(): Promise<void> {
    this.#connecting += 1;
    const generation = this.#generation;
    try {
      const established = await this.#environment.connector.connect(this.#request);
      this.#connecting -= 1;
      this.#onConnected(established, generation);
    } catch (error) {
      this.#connecting -= 1;
      this.#onConnectFailed(asPoolError(error));
    }
  }

  #onConnected(established: Established, generation: number): void {
    this.#everConnected = true;
    this.#failuresInRow = 0;
    this.#lastConnectError = undefined;
    this.#counters.createdByRoute[established.route] += 1;
    const { clock, settings } = this.#environment;
    const connection = new PooledConnection(established, this, clock.now(), generation);
    this.#bag.add(connection);
    if (this.#closing && this.#bag.waiting === 0) return this.#close(connection, 'poolClosed');
    this.#reaper.add(connection, clock.now() + Math.min(settings.idleTimeoutMs, settings.maxLifetimeMs));
    this.onRelease(connection);
  }

  /**
   * With nothing left to wait for, everybody learns the cause. While leases are out, callers may still be served by them, and
   * connecting is tried again after a pause; while other connects are under way, those decide.
   */
  #onConnectFailed(error: BrokerPoolError): void {
    this.#lastConnectError = error;
    this.#failuresInRow += 1;
    if (this.#bag.size > 0) this.#backOff();
    else if (this.#connecting === 0) this.#rejectAll(error);
    if (this.#closing) this.#environment.onQuieter();
  }

  #backOff(): void {
    const { clock } = this.#environment;
    const pauseMs = Math.min(FIRST_BACKOFF_MS * 2 ** (this.#failuresInRow - 1), LONGEST_BACKOFF_MS);
    const connectAgain = (): void => {
      this.#cancelBackoff = undefined;
      this.#pump();
    };
    this.#cancelBackoff ??= clock.schedule(pauseMs * (0.5 + clock.random() / 2), connectAgain, true);
  }

  #rejectAll(error: BrokerPoolError): void {
    for (;;) {
      const waiter = this.#bag.dequeue();
      if (waiter === undefined) return;
      waiter.reject(error);
    }
  }

  #closeIdle(reason: CloseReason): void {
    for (const connection of this.#bag.idleEntries()) this.#remove(connection, reason);
  }

  /** The one way out for a connection, whatever the reason. */
  #close(connection: PooledConnection, reason: CloseReason): void {
    if (this.#remove(connection, reason)) this.#afterChange();
  }

  #remove(connection: PooledConnection, reason: CloseReason): boolean {
    if (!this.#bag.remove(connection)) return false;
    this.#reaper.remove(connection);
    this.#counters.closedByReason[reason] += 1;
    connection.socket.destroy();
    return true;
  }

  /** A connection that ended before the backend said a word may name an endpoint that is gone. */
  #forgetEndpoint(connection: PooledConnection): void {
    if (connection.socket.bytesRead === 0) this.#environment.cache?.invalidate(this.#request.key, connection.endpoint);
  }

  /**
   * Lets idle sockets stop keeping the process alive, once per turn of the event loop: doing so with every release and undoing it
   * with every lease would cost more than both.
   */
  #scheduleRest(): void {
    this.#resting ??= setImmediate(() => {
      this.#resting = undefined;
      for (const connection of this.#bag.newestIdleEntries()) {
        // Whatever has been idle longer than this rests already.
        if (!connection.referenced) return;
        connection.rest();
      }
    });
  }

  /** Closes a connection whose time is up, or says when to look again. */
  #lookAt(connection: PooledConnection, nowMs: number): number | undefined {
    const { idleTimeoutMs, maxLifetimeMs } = this.#environment.settings;
    const lifetimeEndMs = connection.bornMs + maxLifetimeMs;
    if (connection.state !== 'idle') {
      // One that is too old is closed when it comes back.
      return lifetimeEndMs > nowMs ? Math.min(nowMs + idleTimeoutMs, lifetimeEndMs) : nowMs + idleTimeoutMs;
    }
    const idleEndMs = connection.idleSinceMs + idleTimeoutMs;
    if (lifetimeEndMs <= nowMs) this.#close(connection, 'lifetime');
    else if (idleEndMs <= nowMs) this.#close(connection, 'idle');
    else return Math.min(idleEndMs, lifetimeEndMs);
    return undefined;
  }

  #timeoutError(timeoutMs: number, elapsedMs: number): BrokerPoolError {
    const phase: TimeoutPhase =
      this.#connecting === 0 ? 'queue' : this.#environment.connector.isNegotiating(this.#request.key) ? 'hello' : 'connect';
    const message = `no connection within ${timeoutMs} ms (waited ${Math.round(elapsedMs)} ms, phase ${phase}; ${this.#situation()})`;
    return new BrokerPoolError('TIMEOUT', message, {
      phase,
      endpoint: this.target.brokerEndpoint,
      cause: this.#lastConnectError,
    });
  }

  #queueFullError(): BrokerPoolError {
    return new BrokerPoolError('QUEUE_FULL', `no more than ${this.#environment.settings.maxWaiting} callers may wait (${this.#situation()})`);
  }

  #situation(): string {
    const { serviceName, wantedVersion, brokerEndpoint } = this.target;
    const { size, idle, waiting } = this.#bag;
    const where = `${serviceName} ${wantedVersion} at ${printableEndpoint(brokerEndpoint)}`;
    return `${where}: total ${size}, idle ${idle}, connecting ${this.#connecting}, waiting ${waiting}`;
  }
}

function abortedError(signal: AbortSignal): BrokerPoolError {
  return new BrokerPoolError('ABORTED', 'acquire was aborted', { cause: signal.reason });
}

function asPoolError(error: unknown): BrokerPoolError {
  if (error instanceof BrokerPoolError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new BrokerPoolError('BROKER_CONNECT', `failed to connect: ${message}`, { cause: error });
}
