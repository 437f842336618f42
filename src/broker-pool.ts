import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { inspect } from 'node:util';
import type { MessagePort } from 'node:worker_threads';
import { outOfContext } from './async-context.js';
import { afterThisCode, systemClock, type Clock } from './clock.js';
import { debug } from './debug-log.js';
import type { BrokerPoolError } from './errors.js';
import { checkError, quoted } from './validation.js';
import { openDriver } from './negotiation/hybrid-driver.js';
import type { Driver } from './negotiation/job.js';
import { closedError, destroyedError } from './pool/acquire-errors.js';
import { noteDefaults } from './broker-need.js';
import { Capacity } from './pool/capacity.js';
import { Shutdown } from './pool/shutdown.js';
import { Connector } from './pool/connecting/connector.js';
import { EndpointCache } from './endpoint-cache/endpoint-cache.js';
import type { PoolEnvironment } from './pool/pool-environment.js';
import { openEndpointFile } from './endpoint-cache/endpoint-file.js';
import { claimName, releaseName } from './pool/pool-names.js';
import { Targets } from './pool/targets.js';
import { createEventSources } from './pool/watching/event-sources.js';
import { POOL_EVENT_NAMES, type PoolEventMap, type PoolEventName } from './pool/watching/events.js';
import { resolveBy, type Lease, type ResolvedBackend } from './pool/lease.js';
import { useLease } from './pool/leasing-pool.js';
import {
  checkAcquireOptions,
  checkCloseOptions,
  checkPoolOptions,
  checkTargetOptions,
} from './pool/options.js';
import type { AcquireOptions, BrokerPoolOptions, CloseOptions, TargetOptions } from './pool/options.js';
import { SharingHost } from './sharing/host/sharing-host.js';
import { poolText, type PoolDescription, type PoolStats } from './pool/watching/stats.js';

/**
 * Ready, pooled connections to the backends of a broker. Idle connections are handed out at once; new ones
 * skip the Hello where the endpoint is known. An idle pool does not keep the process alive.
 */
export class BrokerPool extends EventEmitter<PoolEventMap> implements AsyncDisposable {
  /** The option `name`, or a generated one, in `stats()` and every event; unique among open pools. */
  readonly name: string;
  readonly #settings: PoolEnvironment['settings'];
  readonly #environment: PoolEnvironment;
  readonly #targets: Targets;
  readonly #connector: Connector;
  readonly #shutdown: Shutdown;
  readonly #createDriver: () => Driver;
  #driver: Driver | undefined;
  #sharing: SharingHost | undefined;

  /** @throws {BrokerPoolError} `INVALID_ARGUMENT` naming the option, `UNSUPPORTED_RUNTIME` on Bun */
  constructor(options?: BrokerPoolOptions);
  /** @internal */
  constructor(options: BrokerPoolOptions, clock?: Clock, createDriver?: () => Driver);
  constructor(options: BrokerPoolOptions = {}, clock = systemClock, createDriver = openDriver) {
    super();
    this.#createDriver = createDriver;
    const settings = checkPoolOptions(options);
    this.#settings = settings;
    const { maxTotal, endpointCache } = settings;
    const file = endpointCache && openEndpointFile(endpointCache, clock);
    const cache = endpointCache && new EndpointCache(endpointCache, clock, file);
    // After all code that may throw: a pool that is not made must not keep its name.
    this.name = claimName(this, settings.name);
    noteDefaults(this, settings, (names, timeoutMs) => this.#targets.explainWait(names, timeoutMs));
    this.#connector = new Connector(settings, cache, clock, () => this.#openDriver());
    this.#environment = {
      settings,
      connector: this.#connector,
      cache,
      clock,
      events: createEventSources(this.name, this, settings.leakThresholdMs > 0),
      capacity: maxTotal === Infinity ? undefined : new Capacity(maxTotal),
      ids: { connection: 0, acquire: 0 },
      // The first three call `acquire`, so they come first.
      // oxlint-disable-next-line typescript/unbound-method -- compared by identity, never called
      entryPoints: [this.use, this.connect, this.resolve, this.acquire, this.tryAcquire],
    };
    this.#targets = new Targets(this.#environment);
    this.#shutdown = new Shutdown(
      clock,
      this.#targets,
      (reason) => this.#end(reason),
      () => this.#free(),
    );
    // After this turn's code, so that listeners hear of the first connects too.
    if (settings.min > 0) afterThisCode(() => this.#targets.default?.keepWarm());
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
      const { acquireTimeoutMs } = this.#settings;
      const usual = options === undefined ? this.#targets.default : undefined;
      if (usual !== undefined) return usual.acquire(acquireTimeoutMs, undefined);
      if (options !== undefined) checkAcquireOptions(options);
      return this.#targets.obtain(options).acquire(options?.timeoutMs ?? acquireTimeoutMs, options?.signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Resolves when `min` connections to the target are open, and with adoption the wait thread is ready too.
   * Without this call they are opened in the background, and the thread starts with the first handoff. With a
   * `min` of 0, the default, nothing connects: it resolves without a broker too.
   *
   * @throws {BrokerPoolError} as `acquire` does, when one of them cannot be opened
   */
  async warm(options: AcquireOptions = {}): Promise<void> {
    checkAcquireOptions(options);
    this.#checkOpen(options);
    const { acquireTimeoutMs, adoptHandedOffConnection } = this.#settings;
    const timeoutMs = options.timeoutMs ?? acquireTimeoutMs;
    const warming = this.#targets.obtain(options).warm(timeoutMs, options.signal);
    if (adoptHandedOffConnection === false) return await warming;
    // A thread that does not start is no failure: the event loop does without.
    await Promise.all([warming, outOfContext(() => this.#openDriver().warm(timeoutMs))]);
  }

  /**
   * An idle connection at once, or `undefined`; never waits and never connects.
   *
   * @throws {BrokerPoolError} `POOL_CLOSED`, `INVALID_ARGUMENT`
   */
  tryAcquire(target?: TargetOptions): Lease | undefined {
    if (target !== undefined) checkTargetOptions(target);
    const usual = target === undefined ? this.#targets.default : undefined;
    return (usual ?? this.#targets.find(target))?.tryAcquire();
  }

  /**
   * Runs `work` with a lease: released afterwards, destroyed when `work` throws, since its conversation was
   * broken off. `timeoutMs` and `signal` end only the acquire, not `work`.
   *
   * @throws {BrokerPoolError} as `acquire` does, and what `work` throws
   */
  use<T>(work: (lease: Lease) => T | Promise<T>, options?: AcquireOptions): Promise<T> {
    return useLease(this, work, options);
  }

  /**
   * A socket that the caller has for good, as of `acquire` and `lease.detach`: for libraries that own their
   * connections. It counts against `max` and `maxTotal` until it closes.
   *
   * @throws {BrokerPoolError} as `acquire` does
   */
  async connect(options?: AcquireOptions): Promise<Socket> {
    return (await this.acquire(options)).detach();
  }

  /**
   * Where the backend listens, for libraries that dial it themselves: the endpoint of an open connection, else
   * the remembered one, else that of a new connection, which stays in the pool.
   *
   * @throws {BrokerPoolError} as `acquire` does
   */
  async resolve(options?: AcquireOptions): Promise<ResolvedBackend> {
    if (options !== undefined) checkAcquireOptions(options);
    return this.#targets.obtain(options).known ?? resolveBy(await this.acquire(options));
  }

  /**
   * A port through which one other thread of this process acquires from this pool: transfer it, and call
   * `connectSharedPool` there. The port ends with the pool, whose limits hold for all threads.
   *
   * @throws {BrokerPoolError} `POOL_CLOSED`, or `WORKER_FAILED` where descriptors cannot cross threads: on
   * Windows, and without koffi
   */
  share(): MessagePort {
    this.#checkOpen();
    this.#sharing ??= new SharingHost(this, this.#settings);
    return this.#sharing.open();
  }

  /** Counts of now and since the start; a frozen snapshot. */
  stats(): PoolStats {
    const { sum, targets } = this.#targets.counts();
    const { max, min, maxTotal } = this.#settings;
    const cachedEndpoints = this.#environment.cache?.size ?? 0;
    const own = { name: this.name, state: this.#shutdown.state, driver: this.#openDriver().name };
    return Object.freeze({ ...own, max, min, maxTotal, ...sum, targets, cachedEndpoints });
  }

  /** Whether `close` or `destroy` was called. The event `closed` comes when the pool has closed. */
  get closed(): boolean {
    return this.#shutdown.state !== 'open';
  }

  /**
   * Forgets a target's endpoint and connections: idle ones close now, leased ones when they come back.
   * Without a target named, all that this broker has named. Does nothing once the pool is closed.
   *
   * @throws {BrokerPoolError} `INVALID_ARGUMENT`
   */
  clear(target?: TargetOptions): void {
    if (this.closed) return;
    if (target !== undefined) checkTargetOptions(target);
    this.#targets.clear(target);
  }

  /**
   * Ends the pool: serves the callers that wait, takes leases back, then closes everything; after `timeoutMs` it
   * destroys the connections that are left. `acquire` rejects with `POOL_CLOSED` from now on. A later call may
   * shorten the time.
   *
   * @throws {BrokerPoolError} `INVALID_ARGUMENT`
   */
  async close(options: CloseOptions = {}): Promise<void> {
    const limitMs = checkCloseOptions(options);
    if (!this.closed) debug(() => `pool ${quoted(this.name)}: closing`);
    await this.#shutdown.close(limitMs);
  }

  /**
   * Ends at once: waiting callers get `POOL_CLOSED` with `error` as the cause, leases are destroyed.
   *
   * @throws {BrokerPoolError} `INVALID_ARGUMENT`
   */
  async destroy(error?: Error): Promise<void> {
    if (error !== undefined) checkError('error', error);
    await this.#shutdown.destroy(destroyedError(error));
  }

  /** Removes the listeners of one event, or of all. The pool's own listeners stay. */
  override removeAllListeners(name?: PoolEventName): this {
    for (const each of name === undefined ? POOL_EVENT_NAMES : [name]) super.removeAllListeners(each);
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The text that consoles show. */
  [inspect.custom](): string {
    return poolText(this.toJSON());
  }

  /** The object that logs show; `stats()` has more. */
  toJSON(): PoolDescription {
    const { total, idle, leased, connecting, waiting } = this.#targets.counts().sum;
    return { state: this.#shutdown.state, total, idle, leased, connecting, waiting };
  }

  #end(reason: BrokerPoolError): void {
    this.#sharing?.markEnded();
    this.#targets.destroy(reason);
    this.#sharing?.end(reason);
    this.#connector.close();
  }

  async #free(): Promise<void> {
    await this.#driver?.close();
    await this.#connector.ended();
    // No negotiation can change it any more: the file is written for the last time.
    this.#environment.cache?.close();
    releaseName(this, this.name);
    const { pool, closed } = this.#environment.events;
    if (closed.wanted) closed.publish({ pool, durationMs: this.#shutdown.durationMs });
  }

  #openDriver(): Driver {
    return (this.#driver ??= this.#createDriver());
  }

  #checkOpen(options?: TargetOptions): void {
    if (this.closed) throw closedError(this.#settings, options);
  }
}
