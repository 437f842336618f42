import { invalidArgument, type BrokerPoolError, type BrokerPoolFailure } from '../errors.js';
import { sharedBrokerEndpoint } from '../broker-options/endpoints.js';
import { callerError, closedError } from './acquire-errors.js';
import type { TargetOptions } from './options.js';
import type { PoolEnvironment } from './pool-environment.js';
import { TargetPool } from './target-pool.js';
import { identityFileOf, targetKey, type Target } from '../target.js';
import { publishRefusal } from './watching/lease-watch.js';
import { sumCounts, type PoolCounts, type PoolState, type TargetStats } from './watching/stats.js';

/** Unused targets are kept while there are no more than this, in use or not. */
const FEW = 128;

/**
 * The pools of all targets that callers have asked for. A service that asks for one new version after the other
 * leaves unused targets behind: they are dropped when they become many, and their counts stay in the sum.
 */
export class Targets implements Iterable<TargetPool> {
  /**
   * The pool of calls that name no target; `undefined` where the pool's options name none, and once it closes.
   * A field, since most acquires read it. It is never dropped.
   */
  default: TargetPool | undefined = undefined;
  readonly #pools = new Map<string, TargetPool>();
  readonly #environment: PoolEnvironment;
  #droppedCounts: PoolCounts = sumCounts([]);
  #dropAt = FEW;
  #state: PoolState = 'open';
  /** `''` until a call needs one, where the pool's own target needs none. */
  #brokerEndpoint: string;

  constructor(environment: PoolEnvironment) {
    this.#environment = environment;
    this.#brokerEndpoint = environment.settings.brokerEndpoint;
    const { brokerEndpoint, serviceName, wantedVersion } = environment.settings;
    if (serviceName !== undefined && wantedVersion !== undefined)
      this.default = this.#add({ brokerEndpoint, serviceName, wantedVersion });
  }

  [Symbol.iterator](): Iterator<TargetPool> {
    return this.#pools.values();
  }

  /** The pool of a target; `undefined` where no caller has asked for the target. Throws once the pool closes. */
  find(options: TargetOptions | undefined): TargetPool | undefined {
    this.#checkOpen(options);
    return this.#pools.get(targetKey(this.#describe(options)));
  }

  /** The `TIMEOUT` of a caller that has waited for so long; `undefined` where no caller has asked for the target. */
  explainWait(options: TargetOptions, timeoutMs: number): BrokerPoolFailure | undefined {
    const pool = this.#pools.get(targetKey(this.#describe(options)));
    if (pool === undefined) return undefined;
    const { max } = this.#environment.settings;
    const snapshot = { ...pool.stats(), target: pool.target, max, attempts: 0 };
    return callerError(pool.timeoutError(timeoutMs), false, snapshot, undefined, timeoutMs);
  }

  /** The pool of a target, which is made on demand. Throws once the pool closes. */
  obtain(options: TargetOptions = {}): TargetPool {
    const isDefault = options.serviceName === undefined && options.wantedVersion === undefined;
    if (isDefault && this.default !== undefined) return this.default;
    this.#checkOpen(options);
    const target = this.#describe(options);
    const known = this.#pools.get(targetKey(target));
    if (known !== undefined) return known;
    if (this.#pools.size >= this.#dropAt) this.#dropUnused();
    return this.#add(target);
  }

  /** Forgets the endpoint and connections of a target; without a target, all that the broker has named. */
  clear(options: TargetOptions | undefined): void {
    const { cache } = this.#environment;
    if (options === undefined) {
      for (const pool of this) pool.clear();
      const brokerEndpoint = this.#knownBroker();
      // The endpoint file may have endpoints that other processes have left.
      if (brokerEndpoint !== '') cache?.clear(brokerEndpoint);
      return;
    }
    const pool = this.find(options);
    if (pool === undefined) cache?.delete(targetKey(this.#describe(options)));
    else pool.clear();
  }

  /** The counts of each target that is kept and was used, and of all there ever were. */
  counts(): { readonly sum: PoolCounts; readonly targets: readonly TargetStats[] } {
    const targets = Array.from(this.#pools.values(), (pool) => pool.stats()).filter(isUsed);
    return { sum: sumCounts([...targets, this.#droppedCounts]), targets: Object.freeze(targets) };
  }

  /** Whether no caller holds a connection or waits for one. */
  get quiet(): boolean {
    return Array.from(this.#pools.values()).every((pool) => pool.quiet);
  }

  /** Serves the callers that wait, and keeps no connection. @param onQuieter as {@link Pump.onQuieter} */
  beginClose(onQuieter: () => void): void {
    // Calls that name no target go through all checks from now on.
    this.default = undefined;
    this.#state = 'closing';
    for (const pool of this) pool.beginClose(onQuieter);
  }

  /** Ends all pools. */
  destroy(error: BrokerPoolError): void {
    this.default = undefined;
    this.#state = 'closed';
    for (const pool of this) pool.destroy(error);
  }

  /** Fails an acquire of a pool that closes or has closed. While it closes, the acquire publishes events. */
  #checkOpen(options: TargetOptions | undefined): void {
    if (this.#state === 'open') return;
    const target = this.#describe(options);
    const error = closedError(target);
    if (this.#state === 'closing') publishRefusal(this.#environment, target, error);
    throw error;
  }

  /** The broker whose endpoints may be remembered; `''` where no call can have asked one. */
  #knownBroker(): string {
    const { endpointCache } = this.#environment.settings;
    if (!endpointCache || endpointCache.file === undefined) return this.#brokerEndpoint;
    try {
      return this.#deriveBroker();
    } catch {
      return '';
    }
  }

  /** The broker of the pool's calls, derived once where no option names it. */
  #deriveBroker(): string {
    return (this.#brokerEndpoint ||= sharedBrokerEndpoint());
  }

  /** The target of a call, the pool's own parts filled in. @throws {BrokerPoolError} `INVALID_ARGUMENT` */
  #describe(options: TargetOptions = {}): Target {
    const { settings } = this.#environment;
    const { serviceName = settings.serviceName, wantedVersion = settings.wantedVersion } = options;
    const missing = serviceName === undefined ? 'serviceName' : 'wantedVersion';
    if (serviceName === undefined || wantedVersion === undefined)
      throw invalidArgument(missing, 'is missing: give it to the pool or to this call');
    const target = { brokerEndpoint: settings.brokerEndpoint, serviceName, wantedVersion };
    if (target.brokerEndpoint !== '' || identityFileOf(target, settings) !== undefined) return target;
    return { ...target, brokerEndpoint: this.#deriveBroker() };
  }

  #add(target: Target): TargetPool {
    const pool = new TargetPool(target, this.#environment);
    this.#pools.set(targetKey(target), pool);
    return pool;
  }

  #dropUnused(): void {
    for (const [key, pool] of this.#pools) {
      if (pool === this.default || !pool.unused) continue;
      this.#droppedCounts = sumCounts([this.#droppedCounts, pool.stats()]);
      this.#pools.delete(key);
      pool.drop();
    }
    // Twice as many before the next look, so that a look at all of them stays a small part of adding each.
    this.#dropAt = Math.max(FEW, this.#pools.size * 2);
  }
}

/** Whether a caller has asked for the target: that of the pool's own options is there before. */
function isUsed({ created, connectFailures, connecting, pausing, waiting, timeouts }: PoolCounts): boolean {
  return created + connectFailures + connecting + pausing + waiting + timeouts > 0;
}
