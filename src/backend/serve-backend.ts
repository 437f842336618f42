import { invalidArgument } from '../errors.js';
import { readOptions } from '../option-table.js';
import type { DaemonProcess } from '../wire/messages.js';
import { BackendServer, type ServingPlace } from './backend-server.js';
import type { BackendCounts } from './connections/service.js';
import {
  forgetLaunch,
  inheritedListener,
  launchEnvironment,
  type LaunchEnvironment,
} from './listening/launch-environment.js';
import {
  backendOptions,
  checkTogether,
  closeOptions,
  type BackendOptions,
  type BackendSettings,
  type CloseBackendOptions,
} from './options.js';

/** A running backend. It keeps the process alive until it is closed. */
export interface Backend extends AsyncDisposable {
  /** Where it listens. */
  readonly endpoint: string;
  /** Where brokers hand connections over, if they do. */
  readonly handoffEndpoint: string | undefined;
  /** The launch of this process by its broker; `undefined` where no broker launched it. */
  readonly launch: LaunchEnvironment | undefined;
  /** The backend's identity for brokers and clients. The first call may hash the executable, in a part of a second. */
  identity(): Promise<DaemonProcess>;
  /** Counts since the start, and the connections that are open now. */
  stats(): BackendStats;
  /**
   * Stops: removes socket and identity file, takes no more connections or requests, answers the requests in
   * flight, and closes each connection behind its last answer. Settles when all have closed. Idempotent; a later
   * call may shorten the time.
   *
   * @throws {BrokerPoolError} `INVALID_ARGUMENT`
   */
  close(options?: CloseBackendOptions): Promise<void>;
}

/** {@link Backend.stats}. */
export interface BackendStats extends Readonly<BackendCounts> {
  /** Connections being served now, those of `onConnection` included. */
  readonly connections: number;
}

/**
 * Serves as the backend of a service: answers identity probes and framed requests, takes connections over from
 * brokers, and gives all others to `onConnection`. Settles when it listens and its identity file is written.
 *
 * A process that a broker has launched serves where the broker wants it, on the broker's listening socket.
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT`; `ENDPOINT_IN_USE` where another process listens;
 * `BACKEND_START` where it cannot listen, hand over, or write its identity file
 */
export async function serveBackend(options: BackendOptions): Promise<Backend> {
  const settings = readOptions(backendOptions, options);
  checkTogether(settings);
  const launch = launchEnvironment();
  const place = placeOf(settings, launch);
  if (launch !== undefined) forgetLaunch();
  const server = new BackendServer(settings, place);
  await server.start();
  return new RunningBackend(server, settings, place.endpoint, launch);
}

function placeOf(
  { endpoint, namespace }: BackendSettings,
  launch: LaunchEnvironment | undefined,
): ServingPlace {
  if (launch !== undefined)
    return { endpoint: launch.endpoint, namespace: launch.namespace, listener: inheritedListener() };
  if (endpoint === undefined)
    throw invalidArgument('endpoint', 'must be given: no broker has launched this process');
  return { endpoint, namespace: namespace ?? 'shared', listener: undefined };
}

class RunningBackend implements Backend {
  readonly endpoint: string;
  readonly handoffEndpoint: string | undefined;
  readonly launch: LaunchEnvironment | undefined;
  readonly #server: BackendServer;
  readonly #stopWatching: () => void;
  #closing: Promise<void> | undefined;

  constructor(
    server: BackendServer,
    { closeOnSigterm, handoffEndpoint }: BackendSettings,
    endpoint: string,
    launch: LaunchEnvironment | undefined,
  ) {
    this.#server = server;
    this.endpoint = endpoint;
    this.handoffEndpoint = handoffEndpoint;
    this.launch = launch;
    const isWatching = closeOnSigterm ?? launch !== undefined;
    this.#stopWatching = isWatching ? endOnSigterm(() => this.close()) : () => {};
  }

  identity(): Promise<DaemonProcess> {
    return this.#server.service.identity.get();
  }

  stats(): BackendStats {
    return { ...this.#server.service.counts, connections: this.#server.openConnections };
  }

  async close(options: CloseBackendOptions = {}): Promise<void> {
    const { timeoutMs } = readOptions(closeOptions, options);
    this.#stopWatching();
    const closed = this.#server.close(timeoutMs);
    this.#closing ??= closed;
    await Promise.all([this.#closing, closed]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Closes on SIGTERM, then ends the process as SIGTERM does without a listener. A program with listeners of its
 * own decides itself when it ends.
 */
function endOnSigterm(close: () => Promise<void>): () => void {
  const listener = (): void => {
    void close().finally(() => {
      if (process.listenerCount('SIGTERM') === 0) process.kill(process.pid, 'SIGTERM');
    });
  };
  process.once('SIGTERM', listener);
  return () => void process.off('SIGTERM', listener);
}
