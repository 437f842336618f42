import type { Socket } from 'node:net';
import { systemClock } from '../clock.js';
import { debug } from '../debug-log.js';
import { errorFromFailure, printableEndpoint } from '../errors.js';
import { connectFailure } from '../negotiation/connect-failures.js';
import { dial, dialNow, type DialOutcome } from '../negotiation/sockets/dial.js';
import { encodeHelloFrame } from '../negotiation/exchange/hello.js';
import { handshakeJob, type Outcome, type Route } from '../negotiation/job.js';
import { EventLoopDriver } from '../negotiation/event-loop/event-loop-driver.js';
import { loadedNative, loadNativeOrWarn } from '../os/native.js';
import { enterContext } from '../os/socket-handle.js';
import { checkEndpoint, parseEndpoint } from '../endpoint.js';
import { converted, flag, readOptions, required, type OptionsOf } from '../option-table.js';
import { checkServiceName, checkString, checkVersion } from '../validation.js';
import type { Negotiated } from '../wire/messages.js';
import { abortable } from './abortable.js';
import { identityOptions, type ClientIdentityOptions } from './client-identity.js';
import { brokerOptions, cancelOptions, negotiationOptions } from './common-options.js';
import { EnvironmentVariables, fakeBackendFromEnv } from './environment.js';
import { explaining } from './explaining.js';

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

/**
 * What the broker said, as it said it (W-34), without the token. Nothing in it is checked by the client
 * (C-19).
 */
export type NegotiatedInfo = Omit<Negotiated, 'handlePassedToken'>;

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
}

/** Splits what the broker sent into what callers may print and the token, which they should not. */
export function describeNegotiated(negotiated: Negotiated): {
  negotiated: NegotiatedInfo;
  handoffToken?: Uint8Array;
} {
  const { handlePassedToken, ...info } = negotiated;
  return handlePassedToken.length === 0
    ? { negotiated: info }
    : { negotiated: info, handoffToken: handlePassedToken };
}

type CheckedOptions = ReturnType<typeof checkOptions>;

function checkOptions(options: ConnectOptions) {
  const { selfVersion, handoffToken, ...settings } = readOptions(allConnectOptions, options);
  return {
    ...settings,
    selfVersion: selfVersion ?? settings.wantedVersion,
    claimsHandlePassing: settings.adoptHandedOffConnection || handoffToken,
  };
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
 * Connects once to a backend, in the order of C-10: test seam, Hello-skip, broker. For many connections use a
 * `BrokerPool`.
 *
 * Runs on the event loop of the calling thread: a single connect does not pay for a thread.
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT`, `BROKER_CONNECT`, `BACKEND_CONNECT`, `REFUSED`, `TIMEOUT`
 * (phase `connect` or `hello`), `ABORTED`, `EMPTY_BACKEND_PIPE`, or a framing or decoding code. Handoff
 * trouble is never an error (C-45).
 */
export async function connectToBackend(options: ConnectOptions): Promise<BackendConnection> {
  const checked = checkOptions(options);
  const { brokerEndpoint, serviceName, wantedVersion, signal } = checked;
  const tried = { brokerEndpoint, serviceName, wantedVersion, signal, aborted: ABORTED };
  const connection = await explaining(tried, () => connectOnce(checked));
  debug(() => `connected by ${connection.route}, endpoint ${printableEndpoint(connection.endpoint)}`);
  // An attempt that came after a pause was made in no context.
  enterContext(connection.socket);
  return connection;
}

async function connectOnce(checked: CheckedOptions): Promise<BackendConnection> {
  const seam = checked.testSeams ? fakeBackendFromEnv() : undefined;
  if (seam !== undefined) {
    const fakeBackend = checkEndpoint(EnvironmentVariables.FAKE_BACKEND, seam);
    const outcome = await dialOnce(checked, fakeBackend);
    if (outcome.kind === 'connected')
      return { socket: outcome.socket, endpoint: fakeBackend, route: 'hello-skip' };
    throw errorFromFailure(
      outcome.kind === 'timeout' ? outcome.failure : connectFailure(true, fakeBackend, outcome.system),
    );
  }

  const cached = checked.wantedVersion === checked.selfVersion ? checked.cachedBackendEndpoint : undefined;
  if (cached !== undefined) {
    const outcome = await dialOnce(checked, cached);
    if (outcome.kind === 'connected')
      return { socket: outcome.socket, endpoint: cached, route: 'hello-skip' };
    // A stale endpoint is no error: the broker knows better (C-13).
  }
  return await negotiate(checked);
}

const ABORTED = 'the connect was aborted';

async function dialOnce(
  { roundTripTimeoutMs, trust, signal }: CheckedOptions,
  endpoint: string,
): Promise<DialOutcome> {
  const outcome = dialNow(loadedNative(), endpoint, trust);
  if (outcome !== undefined) return outcome;
  const deadlineMs = systemClock.now() + roundTripTimeoutMs;
  return await abortable<DialOutcome>(signal, ABORTED, (settle) =>
    dial({ endpoint, deadlineMs, timeoutMs: roundTripTimeoutMs, clock: systemClock, trust }, settle),
  );
}

async function negotiate(checked: CheckedOptions): Promise<BackendConnection> {
  const request = encodeHelloFrame(checked, checked.claimsHandlePassing);
  const driver = new EventLoopDriver(systemClock, loadNativeOrWarn());
  const outcome = await abortable<Outcome>(checked.signal, ABORTED, (settle) =>
    driver.start(handshakeJob(checked.brokerEndpoint, request, checked, systemClock.now()), settle),
  );
  if (outcome.kind === 'failed') throw errorFromFailure(outcome.failure);
  if (outcome.kind === 'answered') throw new Error('a handshake cannot end in an admin reply');
  const { socket, endpoint, route } = outcome;
  const { negotiated, handoffToken } = describeNegotiated(outcome.negotiated);
  const connection = { socket, endpoint, route, negotiated };
  // A hidden accessor: a console that prints the connection, hidden properties included, must not print the
  // token.
  return handoffToken === undefined
    ? connection
    : Object.defineProperty(connection, 'handoffToken', { get: () => handoffToken });
}
