import type { Socket } from 'node:net';
import { systemClock } from '../clock.js';
import { debug } from '../debug-log.js';
import { RememberedEndpoint } from '../endpoint-cache/one-shot.js';
import { endpointFileOptions, type EndpointFileOptions } from '../endpoint-cache/options.js';
import { errorFromFailure, invalidArgument, printableEndpoint } from '../errors.js';
import { connectWithin, dialFailure, type DialOutcome } from '../negotiation/sockets/dial.js';
import { encodeHelloFrame } from '../negotiation/exchange/hello.js';
import {
  describeNegotiated,
  handshakeJob,
  runJob,
  type NegotiatedInfo,
  type Route,
} from '../negotiation/job.js';
import { EventLoopDriver } from '../negotiation/event-loop/event-loop-driver.js';
import { isShortage } from '../os/errno.js';
import { loadedNative, loadNativeOrWarn } from '../os/native.js';
import { enterContext } from '../os/socket-handle.js';
import { checkEndpoint, parseEndpoint } from '../endpoint.js';
import { converted, flag, readOptions, required, type OptionsOf, type SettingsOf } from '../option-table.js';
import { checkServiceName, checkString, checkVersion } from '../validation.js';
import { identityOptions, type ClientIdentityOptions } from '../broker-options/client-identity.js';
import { brokerOptions, cancelOptions, negotiationOptions } from '../broker-options/common-options.js';
import { EnvironmentVariables, fakeBackendFromEnv } from '../broker-options/environment.js';
import { runOneShot } from './one-shot-call.js';

const connectOptions = {
  /** 1 to 64 characters of `a-z`, `0-9` and `-`. */
  serviceName: required(checkServiceName),
  /** `major.minor.patch`, optionally with a pre-release. */
  wantedVersion: required(checkVersion),
  /**
   * An endpoint from an earlier negotiation, dialled without asking the broker. The broker is asked if that
   * dial fails, or if the text is no endpoint. @default none
   */
  cachedBackendEndpoint: converted<string, string | undefined>(
    (name, value) => dialable(checkString(name, value)),
    () => undefined,
  ),
  /**
   * A file that remembers endpoints from process to process, `{ file, max, ttlMs }`: that of this backend is
   * dialled without asking the broker, and a new answer of the broker is written to it after this call. Pools may
   * use the same file. Trouble with it is a `BrokerPoolWarning`, never an error. Not together with
   * `cachedBackendEndpoint`.
   * @default none
   * @see docs/endpoint-cache.md
   */
  endpointCache: converted<EndpointFileOptions, SettingsOf<typeof endpointFileOptions> | undefined>(
    (name, value) => readOptions(endpointFileOptions, value, name),
    () => undefined,
  ),
  /** Keep the broker's connection when the backend takes it over. @default false */
  adoptHandedOffConnection: flag(),
};

export const allConnectOptions = {
  ...connectOptions,
  ...brokerOptions,
  ...negotiationOptions,
  ...identityOptions,
  ...cancelOptions,
};

/** Options of {@link connectToBackend}. */
export interface ConnectOptions
  extends
    OptionsOf<typeof connectOptions>,
    OptionsOf<typeof brokerOptions>,
    OptionsOf<typeof negotiationOptions>,
    OptionsOf<typeof cancelOptions>,
    ClientIdentityOptions {}

/** A connection to the backend. The socket is the caller's, its errors too. */
export interface BackendConnection {
  readonly socket: Socket;
  /**
   * Where the backend listens: the key for a later Hello-skip. Empty after a handoff by a broker that named
   * no endpoint, or none that can be dialled.
   */
  readonly endpoint: string;
  readonly route: Route;
  /** Absent after a Hello-skip. */
  readonly negotiated?: NegotiatedInfo;
  /**
   * The token of the offered handoff: for callers that adopt or set `handoffToken`, where the broker issues
   * one. Yours alone, to overwrite too; not enumerable, so that it is not printed with the rest.
   */
  readonly handoffToken?: Uint8Array;
  /**
   * For callers that find another program behind the connection: the file of `endpointCache` forgets its
   * endpoint, and the next call asks the broker. Absent without that option.
   */
  readonly forgetEndpoint?: () => void;
}

type CheckedOptions = ReturnType<typeof checkOptions>;

function checkOptions(options: ConnectOptions) {
  const settings = readOptions(allConnectOptions, options);
  if (settings.endpointCache !== undefined && options.cachedBackendEndpoint !== undefined)
    throw invalidArgument('cachedBackendEndpoint', 'cannot be given together with endpointCache');
  // Into the same object: to copy twenty settings takes longer than to check them.
  return Object.assign(settings, {
    selfVersion: settings.selfVersion ?? settings.wantedVersion,
    claimsHandlePassing: settings.adoptHandedOffConnection || settings.handoffToken,
  });
}

/**
 * A remembered endpoint in the form to dial; `undefined` for one that no dial can reach, which is as good as
 * a stale one (C-13).
 */
function dialable(remembered: string): string | undefined {
  const parsed = parseEndpoint(remembered);
  return 'endpoint' in parsed ? parsed.endpoint : undefined;
}

/**
 * Connects once to a backend: by the endpoint of the test seam, by `cachedBackendEndpoint` or that in the file
 * of `endpointCache`, or by asking the broker. For many connections use a `BrokerPool`.
 *
 * Runs on the event loop of the calling thread: a single connect does not pay for a thread.
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT`, `BROKER_CONNECT`, `BACKEND_CONNECT`, `REFUSED`, `TIMEOUT`
 * (phase `connect` or `hello`), `ABORTED`, `EMPTY_BACKEND_PIPE`, or a framing or decoding code. A handoff
 * that fails is no error: the backend is dialled instead.
 */
export async function connectToBackend(options: ConnectOptions): Promise<BackendConnection> {
  const checked = checkOptions(options);
  const { brokerEndpoint, serviceName, wantedVersion, signal } = checked;
  const tried = { brokerEndpoint, serviceName, wantedVersion, signal, aborted: ABORTED };
  const connection = await runOneShot(tried, () => connectOnce(checked));
  debug(() => `connected by ${connection.route}, endpoint ${printableEndpoint(connection.endpoint)}`);
  // An attempt that came after a pause was made in no context.
  enterContext(connection.socket);
  return connection;
}

/** In the order of C-10. */
async function connectOnce(checked: CheckedOptions): Promise<BackendConnection> {
  const seam = checked.testSeams ? fakeBackendFromEnv() : undefined;
  if (seam !== undefined) {
    const fakeBackend = checkEndpoint(EnvironmentVariables.FAKE_BACKEND, seam);
    const outcome = await dialOnce(checked, fakeBackend);
    if (outcome.kind === 'connected')
      return { socket: outcome.socket, endpoint: fakeBackend, route: 'hello-skip' };
    throw errorFromFailure(dialFailure('backend', fakeBackend, outcome));
  }

  const maySkipHello = checked.wantedVersion === checked.selfVersion;
  const remembered =
    checked.endpointCache && maySkipHello
      ? new RememberedEndpoint(checked.endpointCache, checked)
      : undefined;
  const cached = maySkipHello ? (remembered?.get() ?? checked.cachedBackendEndpoint) : undefined;
  let connection: BackendConnection | undefined;
  if (cached !== undefined) {
    const outcome = await dialOnce(checked, cached);
    if (outcome.kind === 'connected')
      connection = { socket: outcome.socket, endpoint: cached, route: 'hello-skip' };
    // A stale endpoint is no error: the broker knows better (C-13). A shortage says nothing about it.
    else if (outcome.kind !== 'refused' || !isShortage(outcome.system)) remembered?.forget(cached);
  }
  if (connection === undefined) {
    connection = await negotiate(checked);
    if (connection.endpoint !== '') remembered?.set(connection.endpoint);
  }
  const { endpoint } = connection;
  return remembered === undefined
    ? connection
    : Object.assign(connection, { forgetEndpoint: () => remembered.forget(endpoint) });
}

const ABORTED = 'the connect was aborted';

function dialOnce(
  { roundTripTimeoutMs: timeoutMs, trust, signal }: CheckedOptions,
  endpoint: string,
): DialOutcome | Promise<DialOutcome> {
  const options = { endpoint, timeoutMs, clock: systemClock, trust };
  return connectWithin(loadedNative(), options, signal, ABORTED);
}

async function negotiate(checked: CheckedOptions): Promise<BackendConnection> {
  const request = encodeHelloFrame(checked, checked.claimsHandlePassing);
  const driver = new EventLoopDriver(systemClock, loadNativeOrWarn());
  const job = handshakeJob(checked.brokerEndpoint, request, checked, systemClock.now());
  const outcome = await runJob(driver, job, checked.signal, ABORTED);
  const { socket, endpoint, route } = outcome;
  const { negotiated, handoffToken } = describeNegotiated(outcome.negotiated);
  const connection = { socket, endpoint, route, negotiated };
  // A hidden accessor: a console that prints the connection, hidden properties included, must not print the
  // token.
  return handoffToken === undefined
    ? connection
    : Object.defineProperty(connection, 'handoffToken', { get: () => handoffToken });
}
