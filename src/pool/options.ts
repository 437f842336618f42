import {
  checkClientIdentity,
  CLIENT_IDENTITY_OPTION_NAMES,
  type ClientIdentity,
  type ClientIdentityOptions,
} from '../client/client-identity.js';
import { clientTimeoutFromEnv } from '../client/environment.js';
import { sharedBrokerEndpoint } from '../client/endpoints.js';
import { checkTrust, type TrustOptions } from '../client/trust-option.js';
import { invalidArgument } from '../errors.js';
import type { EndpointTrust } from '../os/endpoint-trust.js';
import { checkEndpoint } from '../endpoint.js';
import {
  checkAbsolutePath,
  checkBoolean,
  checkCount,
  checkDurationMs,
  checkFunction,
  checkLabel,
  checkServiceName,
  checkSignal,
  checkString,
  checkVersion,
  orDefault,
  quoted,
  rejectUnknownOptions,
} from '../validation.js';
import type { EndpointCacheOptions } from './endpoint-cache.js';
import type { Validate } from './health-check.js';

/** Options of a `BrokerPool`. Limits are per target unless said otherwise. */
export interface BrokerPoolOptions extends ClientIdentityOptions {
  /**
   * What the pool is called in events, in `stats()` and in metrics: 1 to 64 characters that can be shown. No
   * two open pools of a thread have the same; the name is free again when the pool has closed. @default a
   * generated one, such as `broker-pool-1`
   */
  name?: string | undefined;
  /** @default the per-user shared broker's derived endpoint (N-03, N-04) */
  brokerEndpoint?: string | undefined;
  /** The service that `acquire()` means when it names none. */
  serviceName?: string | undefined;
  /** The version that `acquire()` means when it names none. */
  wantedVersion?: string | undefined;
  /**
   * The caller's own version, any string; Hello-skip needs it to equal the wanted one (C-11). It is never
   * sent. @default the wanted version
   */
  selfVersion?: string | undefined;
  /** Connections at most, leased and idle together. @default 10 */
  max?: number | undefined;
  /**
   * Connections that are kept open, opened in the background: for the pool's own target from the start, for
   * another once `warm` was called for it. @default 0
   */
  min?: number | undefined;
  /**
   * Connections at most, of all targets together; shared fairly between those that need them. @default
   * Infinity
   */
  maxTotal?: number | undefined;
  /** How long `acquire` may take in all, in milliseconds. @default 30000 */
  acquireTimeoutMs?: number | undefined;
  /**
   * Callers that may wait at most until others give a connection back; one more gets `QUEUE_FULL`. Those for
   * whom one is free, on its way or can still be opened do not count: with 0 nobody stands behind others.
   * @default Infinity
   */
  maxWaiting?: number | undefined;
  /** Connects that run at once; of those that nobody waits for, one. @default 2 */
  maxConnecting?: number | undefined;
  /** How long a connection may stay idle, in milliseconds. @default 60000 */
  idleTimeoutMs?: number | undefined;
  /**
   * How old a connection may become, in milliseconds. Each has up to a tenth less, so that they do not end
   * together. @default 1800000
   */
  maxLifetimeMs?: number | undefined;
  /** How often a connection may be leased. @default Infinity */
  maxUses?: number | undefined;
  /**
   * Asked before an idle connection is leased again, before one by Hello-skip is leased first, and for
   * keepalives; see {@link Validate}. @default none
   */
  validate?: Validate | undefined;
  /**
   * A connection that was used within this time is leased without asking `validate`, in milliseconds; 0 asks
   * before every lease but the first of a new connection. @default 500
   */
  validateAfterIdleMs?: number | undefined;
  /**
   * How long `validate` may take for one connection, in milliseconds; then it is closed as `invalid`.
   * @default 1000
   */
  validateTimeoutMs?: number | undefined;
  /** How often `validate` is asked about a connection that stays idle, in milliseconds. @default Infinity */
  keepaliveMs?: number | undefined;
  /**
   * How long a lease may be out before it is reported as a leak, in milliseconds; 0 looks for none. @default
   * 0
   */
  leakThresholdMs?: number | undefined;
  /**
   * Keep the broker's connection when the backend takes it over (C-40). `auto` takes the route that measures
   * faster. Either way a backend that never takes over is not waited for again and again. @default false
   */
  adoptHandedOffConnection?: boolean | 'auto' | undefined;
  /**
   * Ask the broker for a handoff token with each Hello, adopted or not. It makes a broker with a handoff
   * endpoint try a handoff, which takes about 5 ms a Hello. Without it a Hello asks only where the connection
   * is to be adopted. @default false
   */
  handoffToken?: boolean | undefined;
  /** How long to wait for that, in milliseconds. @default 2000 */
  handoffReadyTimeoutMs?: number | undefined;
  /**
   * Limit for each dial and for each Hello's round trip, in milliseconds. @default
   * RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS, else 30000
   */
  roundTripTimeoutMs?: number | undefined;
  /**
   * How often a connect that fails in a way that passes is tried while callers wait, the first attempt
   * included; `false` tries it once.
   * @default three attempts where the broker has no backend, as many as the callers' time allows where it
   * asks to come back later
   */
  retry?: { readonly attempts?: number | undefined } | false | undefined;
  /** Whom else than yourself to trust behind the endpoints; see {@link TrustOptions}. @default nobody */
  trust?: TrustOptions | undefined;
  /**
   * Negotiated endpoints, for Hello-skip; `false` asks the broker for every connection. @default { max: 256,
   * ttlMs: 0 }
   */
  endpointCache?:
    | { readonly [Name in keyof EndpointCacheOptions]?: EndpointCacheOptions[Name] | undefined }
    | false
    | undefined;
  /** Honour `RUNNING_PROCESS_FAKE_BACKEND`, read with each connect (C-22). For tests only. @default false */
  testSeams?: boolean | undefined;
}

/** Options of `acquire`. */
export interface AcquireOptions {
  /** Gives up waiting with `ABORTED`; a connect under way goes on and its connection becomes idle. */
  signal?: AbortSignal | undefined;
  /** In place of the pool's `acquireTimeoutMs`. */
  timeoutMs?: number | undefined;
  serviceName?: string | undefined;
  wantedVersion?: string | undefined;
}

/** Which target is meant, where the pool's own is not. */
export interface TargetOptions {
  serviceName?: string | undefined;
  wantedVersion?: string | undefined;
}

/** Options of `close`. */
export interface CloseOptions {
  /**
   * How long leases may take to come back, in milliseconds; what is left then is destroyed. @default 30000
   */
  timeoutMs?: number | undefined;
}

/** Checked options with their defaults. */
export interface PoolSettings extends ClientIdentity {
  readonly name: string | undefined;
  readonly brokerEndpoint: string;
  readonly serviceName: string | undefined;
  readonly wantedVersion: string | undefined;
  readonly selfVersion: string | undefined;
  readonly max: number;
  readonly min: number;
  readonly maxTotal: number;
  readonly acquireTimeoutMs: number;
  readonly maxWaiting: number;
  readonly maxConnecting: number;
  readonly idleTimeoutMs: number;
  readonly maxLifetimeMs: number;
  readonly maxUses: number;
  readonly validate: Validate | undefined;
  readonly validateAfterIdleMs: number;
  readonly validateTimeoutMs: number;
  readonly keepaliveMs: number;
  readonly leakThresholdMs: number;
  readonly adoptHandedOffConnection: boolean | 'auto';
  readonly handoffToken: boolean;
  readonly handoffReadyTimeoutMs: number;
  readonly roundTripTimeoutMs: number;
  /** Attempts of one connect at most; `undefined` for the default of each failure. */
  readonly retryAttempts: number | undefined;
  readonly trust: EndpointTrust;
  readonly endpointCache: EndpointCacheOptions | undefined;
  readonly testSeams: boolean;
}

const DEFAULTS = {
  max: 10,
  min: 0,
  maxTotal: Infinity,
  acquireTimeoutMs: 30_000,
  maxWaiting: Infinity,
  maxConnecting: 2,
  idleTimeoutMs: 60_000,
  maxLifetimeMs: 1_800_000,
  maxUses: Infinity,
  validateAfterIdleMs: 500,
  validateTimeoutMs: 1_000,
  keepaliveMs: Infinity,
  leakThresholdMs: 0,
  adoptHandedOffConnection: false,
  handoffReadyTimeoutMs: 2_000,
} as const;

const CACHE_DEFAULTS: EndpointCacheOptions = { max: 256, ttlMs: 0 };
const CLOSE_TIMEOUT_MS = 30_000;

const POOL_OPTION_NAMES = [
  'name',
  'brokerEndpoint',
  'serviceName',
  'wantedVersion',
  'selfVersion',
  'max',
  'min',
  'maxTotal',
  'acquireTimeoutMs',
  'maxWaiting',
  'maxConnecting',
  'idleTimeoutMs',
  'maxLifetimeMs',
  'maxUses',
  'validate',
  'validateAfterIdleMs',
  'validateTimeoutMs',
  'keepaliveMs',
  'leakThresholdMs',
  'adoptHandedOffConnection',
  'handoffReadyTimeoutMs',
  'roundTripTimeoutMs',
  'endpointCache',
  'trust',
  'retry',
  'handoffToken',
  'testSeams',
  ...CLIENT_IDENTITY_OPTION_NAMES,
] as const satisfies readonly (keyof BrokerPoolOptions)[];

/** Checks a pool's options. Throws `INVALID_ARGUMENT` naming the option; nothing is repaired silently. */
export function checkPoolOptions(options: BrokerPoolOptions): PoolSettings {
  rejectUnknownOptions('options', options, POOL_OPTION_NAMES);
  const { brokerEndpoint, serviceName, wantedVersion, selfVersion } = options;
  const endless = { allowInfinity: true } as const;
  const duration = (name: keyof typeof DEFAULTS & keyof BrokerPoolOptions): number =>
    checkDurationMs(name, orDefault(options[name], DEFAULTS[name]));
  const max = checkCount('max', orDefault(options.max, DEFAULTS.max), { min: 1 });
  const min = checkCount('min', orDefault(options.min, DEFAULTS.min), { min: 0 });
  const maxTotal = checkCount('maxTotal', orDefault(options.maxTotal, DEFAULTS.maxTotal), {
    min: 1,
    ...endless,
  });
  const most = Math.min(max, maxTotal);
  if (min > most)
    throw invalidArgument(
      'min',
      `must not be above ${most === max ? 'max' : 'maxTotal'}, which is ${most}, got ${min}`,
    );
  const keepaliveMs = checkDurationMs(
    'keepaliveMs',
    orDefault(options.keepaliveMs, DEFAULTS.keepaliveMs),
    endless,
  );
  if (keepaliveMs !== Infinity && options.validate === undefined)
    throw invalidArgument('keepaliveMs', 'needs validate, which is what it asks');
  return {
    name: options.name === undefined ? undefined : checkLabel('name', options.name),
    brokerEndpoint:
      brokerEndpoint === undefined ? sharedBrokerEndpoint() : checkEndpoint('brokerEndpoint', brokerEndpoint),
    serviceName: serviceName === undefined ? undefined : checkServiceName('serviceName', serviceName),
    wantedVersion: wantedVersion === undefined ? undefined : checkVersion('wantedVersion', wantedVersion),
    selfVersion: selfVersion === undefined ? undefined : checkString('selfVersion', selfVersion),
    max,
    min,
    maxTotal,
    acquireTimeoutMs: duration('acquireTimeoutMs'),
    maxWaiting: checkCount('maxWaiting', orDefault(options.maxWaiting, DEFAULTS.maxWaiting), {
      min: 0,
      ...endless,
    }),
    maxConnecting: checkCount('maxConnecting', orDefault(options.maxConnecting, DEFAULTS.maxConnecting), {
      min: 1,
    }),
    idleTimeoutMs: checkDurationMs(
      'idleTimeoutMs',
      orDefault(options.idleTimeoutMs, DEFAULTS.idleTimeoutMs),
      endless,
    ),
    maxLifetimeMs: checkDurationMs(
      'maxLifetimeMs',
      orDefault(options.maxLifetimeMs, DEFAULTS.maxLifetimeMs),
      endless,
    ),
    maxUses: checkCount('maxUses', orDefault(options.maxUses, DEFAULTS.maxUses), { min: 1, ...endless }),
    validate: options.validate === undefined ? undefined : checkFunction('validate', options.validate),
    validateAfterIdleMs: checkDurationMs(
      'validateAfterIdleMs',
      orDefault(options.validateAfterIdleMs, DEFAULTS.validateAfterIdleMs),
      { allowZero: true },
    ),
    validateTimeoutMs: duration('validateTimeoutMs'),
    keepaliveMs,
    leakThresholdMs: checkDurationMs(
      'leakThresholdMs',
      orDefault(options.leakThresholdMs, DEFAULTS.leakThresholdMs),
      { allowZero: true },
    ),
    adoptHandedOffConnection: checkAdoption(options.adoptHandedOffConnection),
    handoffReadyTimeoutMs: duration('handoffReadyTimeoutMs'),
    roundTripTimeoutMs: checkDurationMs(
      'roundTripTimeoutMs',
      orDefault(options.roundTripTimeoutMs, clientTimeoutFromEnv()),
    ),
    retryAttempts: checkRetry(options.retry),
    trust: checkTrust(options.trust),
    endpointCache: checkEndpointCache(options.endpointCache),
    handoffToken: checkBoolean('handoffToken', orDefault(options.handoffToken, false)),
    testSeams: checkBoolean('testSeams', orDefault(options.testSeams, false)),
    ...checkClientIdentity(options),
  };
}

function checkAdoption(value: boolean | 'auto' | undefined): boolean | 'auto' {
  if (value === 'auto') return value;
  if (typeof value === 'string')
    throw invalidArgument('adoptHandedOffConnection', `must be true, false or "auto", got ${quoted(value)}`);
  return checkBoolean('adoptHandedOffConnection', orDefault(value, DEFAULTS.adoptHandedOffConnection));
}

function checkRetry(value: BrokerPoolOptions['retry']): number | undefined {
  if (value === false) return 1;
  const attempts =
    value === undefined ? undefined : rejectUnknownOptions('retry', value, ['attempts']).attempts;
  return attempts === undefined
    ? undefined
    : checkCount('retry.attempts', attempts, { min: 1, allowInfinity: true });
}

function checkEndpointCache(value: BrokerPoolOptions['endpointCache']): EndpointCacheOptions | undefined {
  if (value === false) return undefined;
  if (value === undefined) return CACHE_DEFAULTS;
  rejectUnknownOptions('endpointCache', value, ['max', 'ttlMs', 'file']);
  return {
    max: checkCount('endpointCache.max', orDefault(value.max, CACHE_DEFAULTS.max), { min: 1 }),
    ttlMs: checkDurationMs('endpointCache.ttlMs', orDefault(value.ttlMs, CACHE_DEFAULTS.ttlMs), {
      allowZero: true,
    }),
    ...(value.file !== undefined && { file: checkAbsolutePath('endpointCache.file', value.file) }),
  };
}

const ACQUIRE_OPTION_NAMES = [
  'signal',
  'timeoutMs',
  'serviceName',
  'wantedVersion',
] as const satisfies readonly (keyof AcquireOptions)[];

/** Checks the options of one `acquire`, but for the target. */
export function checkAcquireOptions(options: AcquireOptions): void {
  rejectUnknownOptions('options', options, ACQUIRE_OPTION_NAMES);
  if (options.signal !== undefined) checkSignal('signal', options.signal);
  if (options.timeoutMs !== undefined) checkDurationMs('timeoutMs', options.timeoutMs);
}

/** Checks that nothing but a target is named; not yet which. */
export function checkTargetOptions(options: TargetOptions): void {
  rejectUnknownOptions('options', options, ['serviceName', 'wantedVersion']);
}

/** The checked target of a call, the pool's own parts filled in. */
export function checkTarget(
  settings: PoolSettings,
  options: TargetOptions,
): { serviceName: string; wantedVersion: string } {
  const serviceName = orDefault(options.serviceName, settings.serviceName);
  const wantedVersion = orDefault(options.wantedVersion, settings.wantedVersion);
  if (serviceName === undefined)
    throw invalidArgument('serviceName', 'is missing: give it to the pool or to this call');
  if (wantedVersion === undefined)
    throw invalidArgument('wantedVersion', 'is missing: give it to the pool or to this call');
  return {
    serviceName: checkServiceName('serviceName', serviceName),
    wantedVersion: checkVersion('wantedVersion', wantedVersion),
  };
}

export function checkCloseOptions(options: CloseOptions): number {
  rejectUnknownOptions('options', options, ['timeoutMs']);
  return checkDurationMs('timeoutMs', orDefault(options.timeoutMs, CLOSE_TIMEOUT_MS), { allowZero: true });
}
