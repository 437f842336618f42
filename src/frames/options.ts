import { checkTrust, type TrustOptions } from '../trust-option.js';
import { invalidArgument } from '../errors.js';
import {
  abortSignal,
  converted,
  count,
  duration,
  flag,
  optional,
  readOptions,
  required,
  type OptionsOf,
  type SettingsOf,
} from '../option-table.js';
import type { EndpointTrust } from '../os/endpoint-trust.js';
import {
  checkBoolean,
  checkCount,
  checkDurationMs,
  checkServiceName,
  checkSignal,
  checkText,
  checkVersion,
  described,
  rejectUnknownOptions,
} from '../validation.js';
import { declareConsumerProtocol } from '../wire/envelope.js';

/** W3C asks for 512 bytes of trace state at least. */
const LONGEST_TRACE_BYTES = 8 * 1024;

const checkPipelining = (name: string, value: unknown): number => checkCount(name, value, { min: 1 });
const checkTimeout = (name: string, value: unknown): number =>
  checkDurationMs(name, value, { allowInfinity: true });
const checkProbeTimeout = (name: string, value: unknown): number => checkDurationMs(name, value);
const checkTrace = (name: string, value: unknown): string => checkText(name, value, LONGEST_TRACE_BYTES);

/** Only what services may declare (S-64): any other number would make the backend end the connection. */
function checkProtocol(name: string, value: unknown): number {
  if (typeof value !== 'number') throw invalidArgument(name, `must be a number, got ${described(value)}`);
  return declareConsumerProtocol(value);
}

const sessionOptions = {
  /**
   * The protocol of the payloads, on which service and clients have agreed: 0x7000 to 0x7EFF for registered
   * consumers, 0xF000 to 0xFFFF for private use. Required. @default none
   */
  payloadProtocol: required(checkProtocol),
  /** Connections at most. @default 4 */
  connections: count(4, { min: 1 }),
  /** Requests in flight on one connection at most. @default 64 */
  maxInFlight: count(64, { min: 1 }),
  /**
   * 1 gives each request a connection to itself, which goes back to the pool with the answer. Other numbers
   * limit the requests in flight as `maxInFlight` does, and may not be above it. @default that of `maxInFlight`
   */
  pipelining: optional(checkPipelining),
  /**
   * Requests that may wait at most until a connection has room; one more gets `QUEUE_FULL`. @default Infinity
   */
  maxWaiting: count(Infinity, { min: 0, allowInfinity: true }),
  /** How long a request may take, connecting included, in milliseconds. @default 30000 */
  timeoutMs: duration(30_000, { allowInfinity: true }),
  /** The service to reach; only with a pool. @default that of the pool */
  serviceName: optional(checkServiceName),
  /** The version to reach; only with a pool. @default that of the pool */
  wantedVersion: optional(checkVersion),
  /**
   * How long connecting and the answer to an identity probe may take, in milliseconds; only with an identity file.
   * @default 500
   */
  probeTimeoutMs: optional(checkProbeTimeout),
  /**
   * Additional trusted users and directories behind the endpoint: `{ userIds, sharedDirectories }`; only
   * without a pool. @default none
   * @see docs/security.md#endpoint-checks
   */
  trust: converted<TrustOptions, EndpointTrust | undefined>(checkTrust, () => undefined),
};

/** Options of `openSession`. */
export interface SessionOptions extends OptionsOf<typeof sessionOptions> {}

/** Checked options with their defaults. */
export type SessionSettings = SettingsOf<typeof sessionOptions>;

/** @throws `INVALID_ARGUMENT` that begins with the name of the option */
export function checkSessionOptions(options: SessionOptions | undefined): SessionSettings {
  // Without options the message is to name the one that is required.
  const settings = readOptions(sessionOptions, options === undefined ? {} : options);
  const { maxInFlight, pipelining = maxInFlight } = settings;
  if (pipelining > maxInFlight)
    throw invalidArgument(
      'pipelining',
      `must not be above maxInFlight, which is ${maxInFlight}, got ${pipelining}`,
    );
  return settings;
}

export const requestOptions = {
  /** Aborting it ends the wait with `ABORTED`. @default none */
  signal: abortSignal(),
  /** How long the request may take, connecting included, in milliseconds. @default that of the session */
  timeoutMs: optional(checkTimeout),
  /** W3C trace context for the backend. @default that of the active OpenTelemetry span, if there is one */
  traceparent: optional(checkTrace),
  /** W3C trace state for the backend. @default that of the active span, unless `traceparent` is given */
  tracestate: optional(checkTrace),
  /** The request may be sent again if its connection dies before the answer. @default false */
  idempotent: flag(),
  /** The protocol of this payload. @default that of the session */
  payloadProtocol: optional(checkProtocol),
};

/** Options of a request. */
export interface RequestOptions extends OptionsOf<typeof requestOptions> {}

const REQUEST_OPTION_NAMES = Object.keys(requestOptions);

/** Checks the options of one request. Written out: it runs with every call that has options. */
export function checkRequestOptions(options: RequestOptions): void {
  rejectUnknownOptions('options', options, REQUEST_OPTION_NAMES);
  const { signal, timeoutMs, traceparent, tracestate, idempotent, payloadProtocol } = options;
  if (signal !== undefined) checkSignal('signal', signal);
  if (timeoutMs !== undefined) checkTimeout('timeoutMs', timeoutMs);
  if (traceparent !== undefined) checkTrace('traceparent', traceparent);
  if (tracestate !== undefined) checkTrace('tracestate', tracestate);
  if (idempotent !== undefined) checkBoolean('idempotent', idempotent);
  if (payloadProtocol !== undefined) checkProtocol('payloadProtocol', payloadProtocol);
}

const closeOptions = {
  /** How long requests may take to be answered, in milliseconds; then they fail. @default 30000 */
  timeoutMs: duration(30_000, { allowZero: true }),
};

/** Options of a session's `close`. */
export interface SessionCloseOptions extends OptionsOf<typeof closeOptions> {}

export function checkCloseOptions(options: SessionCloseOptions): number {
  return readOptions(closeOptions, options).timeoutMs;
}
