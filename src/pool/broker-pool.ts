import { EventEmitter } from 'node:events';
import { inspect } from 'node:util';
import type { MessagePort } from 'node:worker_threads';
import { outOfContext } from '../async-context.js';
import { afterThisCode, systemClock, type Clock } from '../clock.js';
import { debug } from '../debug-log.js';
import { BrokerPoolError } from '../errors.js';
import { explainedError } from '../explained-error.js';
import { checkError, checkFunction, quoted } from '../validation.js';
import { openDriver } from '../negotiation/hybrid-driver.js';
import type { Driver } from '../negotiation/job.js';
import { Capacity } from './capacity.js';
import { Shutdown, type PoolState } from './shutdown.js';
import { Connector } from './connecting/connector.js';
import { EndpointCache } from './endpoint-cache.js';
import { openEndpointFile } from './endpoint-file/endpoint-file.js';
import { claimName, releaseName } from './pool-names.js';
import { targetKey, type Target } from './target.js';
import { Targets } from './targets.js';
import { createEventSources, type EventSources } from './watching/event-sources.js';
import { POOL_EVENT_NAMES, type PoolEventMap, type PoolEventName } from './watching/events.js';
import { useLease, type Lease } from './lease.js';
import {
  checkAcquireOptions,
  checkCloseOptions,
  checkPoolOptions,
  checkTargetOptions,
  targetOf,
  type AcquireOptions,
  type BrokerPoolOptions,
  type CloseOptions,
  type PoolSettings,
  type TargetOptions,
} from './options.js';
import { SharingHost } from './sharing/host/sharing-host.js';
import { publishRefusal } from './watching/lease-watch.js';
import type { PoolCounts, PoolStats } from './watching/stats.js';
import { TargetPool, type TargetEnvironment } from './target-pool.js';

/**
 * Parts that tests put in place of the real ones.
 *
 * @internal
 */
export interface PoolParts {
  readonly clock?: Clock;
  readonly createDriver?: () => Driver;
}

/** A pool in JSON. */
export interface PoolDescription extends Pick<
  PoolCounts,
  'total' | 'idle' | 'leased' | 'connecting' | 'waiting'
> {
  readonly state: PoolState;
}

/**
 * Ready, pooled connections to the backends of a broker. Idle connections are handed out at once; new ones
 * skip the Hello where the endpoint is known. Where it is not, one or two replies at a time are awaited on
 * the event loop, more of them and every handoff on a worker thread that starts when it is first needed.
 *
 * An idle pool does not keep the process alive.
 */
export class BrokerPool extends EventEmitter<PoolEventMap> implements AsyncDisposable {
  /**
   * The option `name`, or a generated one. It is in `stats()` and in every event; no other open pool of this
   * thread has it.
   */
  readonly name: string;
  readonly #settings: PoolSettings;
  readonly #targets = new Targets((target) => new TargetPool(target, this.#environment));
  readonly #environment: TargetEnvironment;
  readonly #connector: Connector;
  readonly #shutdown: Shutdown;
  readonly #events: EventSources;
  readonly #ids = { connection: 0, acquire: 0 };
  readonly #createDriver: () => Driver;
  #driver: Driver | undefined;
  #sharing: SharingHost | undefined;

  /** @throws {BrokerPoolError} `INVALID_ARGUMENT` naming the option. */
  constructor(options?: BrokerPoolOptions);
  /** @internal */
  constructor(options: BrokerPoolOptions, parts?: PoolParts);
  constructor(
    options: BrokerPoolOptions = {},
    { clock = systemClock, createDriver = openDriver }: PoolParts = {},
  ) {
    super();
    this.#createDriver = createDriver;
    const settings = checkPoolOptions(options);
    this.#settings = settings;
    this.#shutdown = new Shutdown(clock, {
      beginClose: () => this.#beginClose(),
      isQuiet: () => Array.from(this.#targets).every((pool) => pool.quiet),
      end: (reason) => this.#end(reason),
      free: () => this.#free(),
      onClosed: (durationMs) => this.#onClosed(durationMs),
    });
    const { maxTotal, endpointCache } = settings;
    const file = endpointCache && openEndpointFile(endpointCache, clock);
    const cache = endpointCache && new EndpointCache(endpointCache, clock, file);
    // Behind everything that may throw: a pool that does not come to be must not keep its name.
    this.name = claimName(this, settings.name);
    this.#events = createEventSources(this.name, this);
    this.#connector = new Connector({
      driver: () => this.#openDriver(),
      cache,
      clock,
      handoffReadyTimeoutMs: settings.handoffReadyTimeoutMs,
      roundTripTimeoutMs: settings.roundTripTimeoutMs,
      mostAttempts: settings.retry.attempts,
      trust: settings.trust,
      testSeams: settings.testSeams,
    });
    this.#environment = {
      settings,
      connector: this.#connector,
      cache,
      clock,
      events: this.#events,
      capacity: maxTotal === Infinity ? undefined : new Capacity(maxTotal),
      nextConnectionId: () => ++this.#ids.connection,
      nextAcquireId: () => ++this.#ids.acquire,
      // `use` calls `acquire`, so it comes first.
      // oxlint-disable-next-line typescript/unbound-method -- compared by identity, never called
      entryPoints: [this.use, this.acquire, this.tryAcquire],
      onQuieter: () => this.#shutdown.onQuieter(),
    };
    // After this turn's code, so that listeners hear of the first connects too.
    if (settings.min > 0 && settings.serviceName !== undefined && settings.wantedVersion !== undefined)
      afterThisCode(() => this.#beginWarm());
  }

  /**
   * A ready connection: an idle one at once, else a new one, else one that comes back. Callers are served in
   * their order.
   *
   * @throws {BrokerPoolError} `TIMEOUT` (phase `queue`, `connect` or `hello`; the last connect error as its
   * cause), `ABORTED`, `QUEUE_FULL`, `POOL_CLOSED`, `INVALID_ARGUMENT`, or why connecting failed: `REFUSED`,
   * `BROKER_CONNECT`, `BACKEND_CONNECT`, …
   */
  acquire(options?: AcquireOptions): Promise<Lease> {
    try {
      // The way of most calls by far.
      const usual = options === undefined ? this.#targets.default : undefined;
      if (usual !== undefined) return usual.acquire(this.#settings.acquireTimeoutMs, undefined);
      if (options !== undefined) checkAcquireOptions(options);
      return this.#targetFor(options).acquire(
        options?.timeoutMs ?? this.#settings.acquireTimeoutMs,
        options?.signal,
      );
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Resolves when `min` connections to the target are open and ready, and with adoption the wait thread is
   * too. Without it connections are opened in the background, where a failure is tried again, and the thread
   * starts with the first handoff.
   *
   * @throws {BrokerPoolError} as `acquire` does, when one of them cannot be opened
   */
  async warm(options: AcquireOptions = {}): Promise<void> {
    checkAcquireOptions(options);
    this.#checkOpen(options);
    const { acquireTimeoutMs, adoptHandedOffConnection } = this.#settings;
    const timeoutMs = options.timeoutMs ?? acquireTimeoutMs;
    const warming = this.#targetFor(options).warm(timeoutMs, options.signal);
    // A thread that does not start is no failure: the event loop does without.
    await Promise.all([
      warming,
      adoptHandedOffConnection === false ? undefined : outOfContext(() => this.#openDriver().warm(timeoutMs)),
    ]);
  }

  /**
   * An idle connection at once, or `undefined`; never waits and never connects.
   *
   * @throws {BrokerPoolError} `POOL_CLOSED`, `INVALID_ARGUMENT`
   */
  tryAcquire(target?: TargetOptions): Lease | undefined {
    if (target !== undefined) checkTargetOptions(target);
    if (!this.#shutdown.open) this.#refuse(target);
    const usual = target === undefined ? this.#targets.default : undefined;
    return (usual ?? this.#targets.find(this.#describe(target)))?.tryAcquire();
  }

  /**
   * Runs `work` with a lease: released afterwards, destroyed when `work` throws, since its conversation was
   * broken off. `timeoutMs` and `signal` end only the acquire, not `work`.
   *
   * @throws {BrokerPoolError} as `acquire` does, and what `work` throws
   */
  async use<T>(work: (lease: Lease) => T | Promise<T>, options?: AcquireOptions): Promise<T> {
    checkFunction('work', work);
    return await useLease(await this.acquire(options), work);
  }

  /**
   * A port through which one other thread of this process acquires from this pool: transfer it, and call
   * `connectSharedPool` there. Every limit, the queue and the endpoint cache are those of this pool; the port
   * ends with it.
   *
   * @throws {BrokerPoolError} `POOL_CLOSED`, or `WORKER_FAILED` where descriptors cannot cross threads: on
   * Windows, and without koffi
   */
  share(): MessagePort {
    this.#checkOpen();
    this.#sharing ??= new SharingHost(this, this.#settings);
    return this.#sharing.open();
  }

  /** What the pool holds right now, and has done so far; a frozen snapshot. */
  stats(): PoolStats {
    const { sum, targets } = this.#targets.counts();
    const { max, min } = this.#settings;
    const driver = this.#openDriver().name;
    return Object.freeze({
      name: this.name,
      max,
      min,
      driver,
      ...sum,
      targets,
      cachedEndpoints: this.#environment.cache?.size ?? 0,
    });
  }

  /**
   * Whether `close` or `destroy` was called: from then on nothing can be acquired. The event `closed` comes
   * when that has ended.
   */
  get closed(): boolean {
    return !this.#shutdown.open;
  }

  /**
   * Forgets a target's endpoint and connections: idle ones close now, leased ones when they come back.
   * Without a target named, all that this broker has named. Does nothing once the pool is closed.
   *
   * @throws {BrokerPoolError} `INVALID_ARGUMENT`
   */
  clear(target?: TargetOptions): void {
    // Everything is forgotten already, and nobody hears events any more.
    if (!this.#shutdown.open) return;
    if (target === undefined) {
      for (const pool of this.#targets) pool.clear();
      // What other processes have left in the file has no pool here.
      this.#environment.cache?.clear(this.#settings.brokerEndpoint);
      return;
    }
    checkTargetOptions(target);
    const described = this.#describe(target);
    const pool = this.#targets.find(described);
    // Another process may have left its endpoint in the file.
    if (pool === undefined) this.#environment.cache?.delete(targetKey(described));
    else pool.clear();
  }

  /**
   * Ends well: whoever waits is served, leases may come back, then everything is freed. After `timeoutMs`
   * what is left is destroyed. From now on `acquire` rejects with `POOL_CLOSED`. Idempotent; a later call may
   * shorten the time.
   *
   * @throws {BrokerPoolError} `INVALID_ARGUMENT`
   */
  async close(options: CloseOptions = {}): Promise<void> {
    await this.#shutdown.close(checkCloseOptions(options));
  }

  /**
   * Ends at once: waiting callers get `POOL_CLOSED` with `error` as the cause, leased connections are
   * destroyed. Idempotent.
   *
   * @throws {BrokerPoolError} `INVALID_ARGUMENT`
   */
  async destroy(error?: Error): Promise<void> {
    if (error !== undefined) checkError('error', error);
    await this.#shutdown.destroy(
      new BrokerPoolError('POOL_CLOSED', 'the pool was destroyed', { cause: error }),
    );
  }

  /**
   * Takes off the listeners of one event, or of all. The pool's own, which notice whether anybody listens,
   * stay.
   */
  override removeAllListeners(name?: PoolEventName): this {
    for (const each of name === undefined ? POOL_EVENT_NAMES : [name]) super.removeAllListeners(each);
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** What consoles show. */
  [inspect.custom](): string {
    const { state, total, idle, leased, connecting, waiting } = this.toJSON();
    return `BrokerPool (${state}; connections: ${total}, ${idle} idle, ${leased} leased, ${connecting} connecting; callers waiting: ${waiting})`;
  }

  /** What logs show; `stats()` has more. */
  toJSON(): PoolDescription {
    const { total, idle, leased, connecting, waiting } = this.#targets.counts().sum;
    return { state: this.#shutdown.state, total, idle, leased, connecting, waiting };
  }

  #beginWarm(): void {
    if (this.#shutdown.open) this.#targetFor({});
  }

  #beginClose(): void {
    debug(() => `pool ${quoted(this.name)}: closing`);
    // Calls that name no target go through all checks from now on.
    this.#targets.forgetDefault();
    for (const pool of this.#targets) pool.beginClose();
  }

  #end(reason: BrokerPoolError): void {
    this.#targets.destroy(reason);
    this.#sharing?.end(reason);
    this.#connector.close();
  }

  async #free(): Promise<void> {
    await this.#driver?.close();
    await this.#connector.ended();
    // Nothing is negotiated any more: what is left to write to its file can be written now.
    this.#environment.cache?.close();
  }

  #onClosed(durationMs: number): void {
    releaseName(this, this.name);
    const { pool, closed } = this.#events;
    if (closed.wanted) closed.publish({ pool, durationMs });
  }

  /** An acquire of a pool that ends fails as any other does: with events, as long as there are any. */
  #refuse(options: TargetOptions = {}): never {
    const target = this.#describe(options);
    const error = explainedError(closedError(), { ...target, attempts: 0, elapsedMs: 0 });
    if (this.#shutdown.state === 'closing') publishRefusal(this.#events, target, ++this.#ids.acquire, error);
    throw error;
  }

  #openDriver(): Driver {
    return (this.#driver ??= this.#createDriver());
  }

  #targetFor(options: TargetOptions = {}): TargetPool {
    if (!this.#shutdown.open) this.#refuse(options);
    const isDefault = options.serviceName === undefined && options.wantedVersion === undefined;
    return (
      (isDefault ? this.#targets.default : undefined) ??
      this.#targets.obtain(this.#describe(options), isDefault)
    );
  }

  #describe(options: TargetOptions = {}): Target {
    return { brokerEndpoint: this.#settings.brokerEndpoint, ...targetOf(this.#settings, options) };
  }

  #checkOpen({ serviceName, wantedVersion }: TargetOptions = {}): void {
    if (this.#shutdown.open) return;
    const { brokerEndpoint, ...names } = this.#settings;
    throw explainedError(closedError(), {
      brokerEndpoint,
      serviceName: serviceName ?? names.serviceName,
      wantedVersion: wantedVersion ?? names.wantedVersion,
      attempts: 0,
      elapsedMs: 0,
    });
  }
}

function closedError(): BrokerPoolError {
  return new BrokerPoolError('POOL_CLOSED', 'the pool is closed');
}
