import { identityOptions, type ClientIdentityOptions } from '../broker-options/client-identity.js';
import { brokerOptions, cancelOptions, negotiationOptions } from '../broker-options/common-options.js';
import { checkEndpoint } from '../endpoint.js';
import { invalidArgument } from '../errors.js';
import { checkSocketsComparable } from '../os/runtime.js';
import {
  callable,
  converted,
  count,
  derived,
  duration,
  needing,
  option,
  optional,
  readOptions,
  type OptionsOf,
  type SettingsOf,
} from '../option-table.js';
import {
  checkAbsolutePath,
  checkBoolean,
  checkCount,
  checkDurationMs,
  checkLabel,
  checkObject,
  checkServiceName,
  checkSignal,
  checkVersion,
  quoted,
  rejectUnknownOptions,
} from '../validation.js';
import { endpointCacheOptions, type EndpointCacheOptions } from '../endpoint-cache/options.js';
import type { Validate } from './health-check.js';

export const retryOptions = {
  /** Attempts at most, the first included. @default depends on the failure */
  attempts: optional((name, value) => checkCount(name, value, { min: 1, allowInfinity: true })),
};

// Read once: each new pool takes them.
const DEFAULT_ENDPOINT_CACHE = readOptions(endpointCacheOptions, {});
const DEFAULT_RETRY = readOptions(retryOptions, {});

// Named: editors show the names, and a nameless type would lose the JSDoc of the other file.
interface GivenRetry extends Readonly<OptionsOf<typeof retryOptions>> {}
interface GivenEndpointCache extends Readonly<OptionsOf<typeof endpointCacheOptions>> {}

const poolOptions = {
  /**
   * The pool's name in events, `stats()` and metrics: 1 to 64 characters that can be shown. A name that another
   * open pool of the thread has is refused with `INVALID_ARGUMENT`; it is free again when that pool has closed.
   * @default `broker-pool-1`, `broker-pool-2`, …, in worker thread 3 `broker-pool-3.1`, …
   */
  name: optional(checkLabel),
  /** The service of calls that name none. @default none */
  serviceName: optional(checkServiceName),
  /** The version of calls that name none. @default none */
  wantedVersion: optional(checkVersion),
  /**
   * Absolute path of the identity file of the pool's own service: its connections need no broker. `serviceName` and
   * `wantedVersion` then only name it; `brokerEndpoint` is for other targets. @default none
   * @see docs/frames.md#without-a-broker
   */
  identityFile: optional((name, value) => checkAbsolutePath(name, value)),
  /**
   * Negotiated endpoints that are remembered, to skip the Hello; `false` asks the broker for every connection.
   * @default { max: 256, ttlMs: 0 }
   * @see docs/endpoint-cache.md
   */
  endpointCache: converted<GivenEndpointCache | false, EndpointCacheOptions | undefined>(
    checkEndpointCache,
    () => DEFAULT_ENDPOINT_CACHE,
  ),
  /** Connections of a target at most, leased and idle together. @default 10 */
  max: count(10, { min: 1 }),
  /**
   * Connections that are kept open, opened in the background: of the pool's own target from the start, of
   * another once `warm()` was called for it. @default 0
   */
  min: count(0, { min: 0 }),
  /**
   * Connections of all targets at most, those under way included; shared fairly between targets that need
   * them. @default Infinity
   */
  maxTotal: count(Infinity, { min: 1, allowInfinity: true }),
  /** Connects of a target that run at once; one at a time while no caller waits for them. @default 2 */
  maxConnecting: count(2, { min: 1 }),
  /**
   * Callers that may wait at most until other callers return a connection of the target; one more gets
   * `QUEUE_FULL`. A caller for whom a connection is free, under way or can still be opened does not count:
   * 0 disables queueing. @default Infinity
   */
  maxWaiting: count(Infinity, { min: 0, allowInfinity: true }),
  /**
   * How long `acquire` may take, in milliseconds: queue, connect, Hello and validation together.
   * @default 30000
   */
  acquireTimeoutMs: duration(30_000),
  /** How long a connection beyond `min` may stay idle, in milliseconds. @default 60000 */
  idleTimeoutMs: duration(60_000, { allowInfinity: true }),
  /**
   * How old a connection may become, in milliseconds. Each has up to a tenth less by chance, so that they do
   * not end together. @default 1800000
   */
  maxLifetimeMs: duration(1_800_000, { allowInfinity: true }),
  /** How often a connection may be leased. @default Infinity */
  maxUses: count(Infinity, { min: 1, allowInfinity: true }),
  /**
   * How often a connect that fails in a transient way is tried while callers wait: `{ attempts }`, the first
   * included; `false` tries once.
   * @default depends on the failure
   * @see docs/errors.md#refusals
   */
  retry: converted<GivenRetry | false, SettingsOf<typeof retryOptions>>(checkRetry, () => DEFAULT_RETRY),
  /**
   * Says whether a connection is good: asked before an idle one is leased again, before one by Hello-skip is
   * leased first, and for keepalives. It must leave nothing unread or unsent. @default none
   */
  validate: callable<Validate>(),
  /**
   * A connection that was used within this time is leased without asking `validate`, in milliseconds; 0 asks
   * before every lease but the first of a new connection. @default 500
   */
  validateAfterIdleMs: needing(['validate'], duration(500, { allowZero: true })),
  /**
   * How long `validate` may take for one connection, in milliseconds; then it is closed as `invalid`.
   * @default 1000
   */
  validateTimeoutMs: needing(['validate'], duration(1_000)),
  /** How often `validate` is asked about a connection that stays idle, in milliseconds. @default Infinity */
  keepaliveMs: needing(['validate'], duration(Infinity, { allowInfinity: true })),
  /**
   * Keep the broker's connection when the backend takes it over; `'auto'` takes the route that measures
   * faster. A backend that never takes over is not waited for again and again. @default false
   */
  adoptHandedOffConnection: option<boolean | 'auto'>(checkAdoption, false),
  /**
   * How long a lease may be out before it is reported as a leak, with the stack of its `acquire`, in
   * milliseconds; 0 looks for none. It costs a stack trace with every lease. @default 0
   */
  leakThresholdMs: duration(0, { allowZero: true }),
};

export const allPoolOptions = { ...poolOptions, ...brokerOptions, ...negotiationOptions, ...identityOptions };

const brokerlessOptions = { ...allPoolOptions, brokerEndpoint: derived(checkEndpoint, () => '') };

/** Options of a `BrokerPool`. Limits are per target unless said otherwise. */
export interface BrokerPoolOptions
  extends
    OptionsOf<typeof poolOptions>,
    OptionsOf<typeof brokerOptions>,
    OptionsOf<typeof negotiationOptions>,
    ClientIdentityOptions {}

/** Checked options with their defaults. */
export type PoolSettings = SettingsOf<typeof allPoolOptions>;

export const targetOptions = {
  /** The service to reach. @default that of the pool */
  serviceName: optional(checkServiceName),
  /** The version to reach. @default that of the pool */
  wantedVersion: optional(checkVersion),
};

/** Names a target other than the pool's own. */
export interface TargetOptions extends OptionsOf<typeof targetOptions> {}

const acquireOptions = {
  /** How long the call may take, in milliseconds. @default the pool's `acquireTimeoutMs` */
  timeoutMs: optional((name, value) => checkDurationMs(name, value)),
};

export const allAcquireOptions = { ...acquireOptions, ...cancelOptions, ...targetOptions };

/** Options of `acquire`. `ABORTED` ends the wait; a connect under way goes on and its connection becomes idle. */
export interface AcquireOptions
  extends OptionsOf<typeof acquireOptions>, OptionsOf<typeof cancelOptions>, TargetOptions {}

export const closeOptions = {
  /**
   * How long leases may take to come back, in milliseconds; then their connections are destroyed.
   * @default 30000
   */
  timeoutMs: duration(30_000, { allowZero: true }),
};

/** Options of `close`. */
export interface CloseOptions extends OptionsOf<typeof closeOptions> {}

/**
 * @throws `INVALID_ARGUMENT` that begins with the name of the option; nothing is repaired silently.
 * `UNSUPPORTED_RUNTIME` where no pool can work
 */
export function checkPoolOptions(options: BrokerPoolOptions): PoolSettings {
  checkSocketsComparable();
  const settings = readSettings(options);
  const { max, min, maxTotal } = settings;
  const most = Math.min(max, maxTotal);
  if (min > most)
    throw invalidArgument(
      'min',
      `must not be above ${most === max ? 'max' : 'maxTotal'}, which is ${most}, got ${min}`,
    );
  return settings;
}

/**
 * The settings of a pool that finds its own backend by a file have the broker endpoint `''` where none is given: to
 * derive it runs a command on some systems, and throws on others.
 */
function readSettings(options: BrokerPoolOptions): PoolSettings {
  const { identityFile, serviceName, wantedVersion, brokerEndpoint } = Object(options);
  const needsBroker = [identityFile, serviceName, wantedVersion].includes(undefined);
  return readOptions(
    needsBroker || brokerEndpoint !== undefined ? allPoolOptions : brokerlessOptions,
    options,
  );
}

function checkAdoption(name: string, value: unknown): boolean | 'auto' {
  if (value === 'auto') return value;
  if (typeof value === 'string')
    throw invalidArgument(name, `must be true, false or "auto", got ${quoted(value)}`);
  return checkBoolean(name, value);
}

function checkRetry(name: string, value: unknown): SettingsOf<typeof retryOptions> {
  if (value === false) return { attempts: 1 };
  checkObject(name, value, ' or false');
  return readOptions(retryOptions, value, name);
}

function checkEndpointCache(name: string, value: unknown): EndpointCacheOptions | undefined {
  if (value === false) return undefined;
  checkObject(name, value, ' or false');
  return readOptions(endpointCacheOptions, value, name);
}

const TARGET_OPTION_NAMES = Object.keys(targetOptions);
const ACQUIRE_OPTION_NAMES = Object.keys(allAcquireOptions);

/** Checks the options of one `acquire`. Written out: it runs with every call that has options. */
export function checkAcquireOptions(options: AcquireOptions): void {
  rejectUnknownOptions('options', options, ACQUIRE_OPTION_NAMES);
  const { signal, timeoutMs } = options;
  if (signal !== undefined) checkSignal('signal', signal);
  if (timeoutMs !== undefined) checkDurationMs('timeoutMs', timeoutMs);
  checkTargetNames(options);
}

/** Checks the options of a call that names a target, as {@link checkAcquireOptions} does. */
export function checkTargetOptions(options: TargetOptions): void {
  rejectUnknownOptions('options', options, TARGET_OPTION_NAMES);
  checkTargetNames(options);
}

function checkTargetNames({ serviceName, wantedVersion }: TargetOptions): void {
  if (serviceName !== undefined) checkServiceName('serviceName', serviceName);
  if (wantedVersion !== undefined) checkVersion('wantedVersion', wantedVersion);
}

/** The time that `close` gives to leases. */
export function checkCloseOptions(options: CloseOptions): number {
  return readOptions(closeOptions, options).timeoutMs;
}
