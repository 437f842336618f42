import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { BackendServer } from '../backend/backend-server.js';
import { answerOffer, type ReceivedOffer } from '../backend/handoff/handoff-intake.js';
import { backendOptions, type ConnectionOrigin } from '../backend/options.js';
import { BrokerPoolError } from '../errors.js';
import { readOptions } from '../option-table.js';
import { loadHandlePassing } from '../os/handle-passing.js';
import { loadNative } from '../os/native.js';
import { checkName } from '../validation.js';
import { HANDOFF_TOKEN_BYTES } from '../wire/messages.js';
import { ChangeNotifier } from './change-notifier.js';
import { answerProbes, ownIdentity } from './identity-probe.js';
import {
  checkBackendOptions,
  HANDOFF_MODES,
  withoutUndefined,
  type EmbeddedBackendOptions,
  type HandoffMode,
} from './options.js';
import { SocketDirectory } from './socket-directory.js';

/** Whether connections can be handed over between processes here: on Linux and macOS, with FFI. */
export function canHandOff(): boolean {
  return loadHandlePassing() !== undefined;
}

type Settings = ReturnType<typeof checkBackendOptions>;

/**
 * A backend in this process, for tests and demos, on real sockets: `serveBackend` with faults on demand. Echoes
 * bytes by default, and answers framed requests with `payloadProtocols`, HTTP with `onHttp`. Answers identity
 * probes in each case, with a hash of zeros.
 */
export class EmbeddedBackend implements AsyncDisposable {
  #handoff: HandoffMode;
  readonly #settings: Settings;
  readonly #directory: SocketDirectory;
  readonly #changes = new ChangeNotifier();
  /** Offers that stay open without an answer: the broker's connections and the descriptors. */
  readonly #silent = new Map<Socket, number>();
  readonly #server: BackendServer;
  readonly #http: Server | undefined;
  readonly #handoffEndpoint: string | undefined;
  readonly #endpoint: string;
  #stopping: Promise<void> | undefined;

  private constructor(settings: Settings) {
    const { directory, endpoint, handoff, handoffEndpoint } = settings;
    this.#settings = settings;
    this.#directory = new SocketDirectory(directory);
    this.#handoff = handoff === 'none' ? 'reject' : handoff;
    this.#endpoint = this.#directory.endpoint('backend', endpoint);
    this.#handoffEndpoint =
      handoff === 'none' ? undefined : this.#directory.endpoint('handoff', handoffEndpoint);
    this.#http = settings.onHttp && createServer(settings.onHttp);
    this.#server = this.#createServer();
  }

  /**
   * Starts a backend. Rejects with the system's error, for example if an endpoint is in use.
   *
   * @throws {BrokerPoolError} `INVALID_ARGUMENT` for an option that does not exist, and for options that exclude or
   * lack each other
   */
  static async start(options: EmbeddedBackendOptions = {}): Promise<EmbeddedBackend> {
    const backend = new EmbeddedBackend(checkBackendOptions(options));
    try {
      if (backend.#handoffEndpoint !== undefined && !canHandOff())
        throw new Error('handoff needs FFI, which is not available here');
      await backend.#server.start();
    } catch (error) {
      await backend.stop();
      throw error instanceof BrokerPoolError && error.cause !== undefined ? error.cause : error;
    }
    return backend;
  }

  #createServer(): BackendServer {
    const { backlog, identity, offerTimeoutMs, onConnection, payloadProtocols } = this.#settings;
    const http = this.#http;
    const servesMessages = payloadProtocols !== undefined || http !== undefined;
    const settings = readOptions(backendOptions, {
      payloadProtocols,
      onRequest: payloadProtocols && (this.#settings.onRequest ?? (({ payload }) => payload)),
      onConnection: http === undefined ? onConnection : (socket: Socket) => http.emit('connection', socket),
      backlog,
      endpoint: this.#endpoint,
      handoffEndpoint: this.#handoffEndpoint,
      offerTimeoutMs: this.#handoffEndpoint && offerTimeoutMs,
      identity: { ...ownIdentity(this.#endpoint), ...withoutUndefined(identity ?? {}) },
      // Tests put sockets where they like.
      ...(process.platform !== 'win32' && { trust: { sharedDirectories: true } }),
    });
    const place = { endpoint: this.#endpoint, namespace: 'shared', listener: undefined };
    return new BackendServer(
      settings,
      place,
      () => this.#changes.notify(),
      (received) => this.#handoff !== 'accept' && this.#misbehave(received, this.#handoff),
      (socket, origin) => !servesMessages && this.#serve(socket, origin),
    );
  }

  /** The mode for offers from now on; without effect where there is no handoff endpoint. */
  get handoff(): HandoffMode {
    return this.#handoff;
  }

  set handoff(mode: HandoffMode) {
    this.#handoff = checkName('handoff', mode, HANDOFF_MODES);
  }

  /** Where it serves: the `backendPipe` that a broker must name. */
  get endpoint(): string {
    return this.#endpoint;
  }

  /** Where it takes over connections, if it does. */
  get handoffEndpoint(): string | undefined {
    return this.#handoffEndpoint;
  }

  /** Connections being served now, accepted and adopted. */
  get connections(): number {
    return this.#server.openConnections;
  }

  /** Connections accepted at {@link EmbeddedBackend.endpoint} so far. */
  get acceptedCount(): number {
    return this.#server.service.counts.accepted;
  }

  /** Connections taken over from a broker so far. */
  get adoptedCount(): number {
    return this.#server.service.counts.adopted;
  }

  /** Valid offers received so far, in every mode. */
  get offerCount(): number {
    return this.#server.service.counts.offers;
  }

  /** Framed requests answered so far. */
  get requestCount(): number {
    return this.#server.service.counts.requests;
  }

  /** Identity probes answered so far. */
  get probeCount(): number {
    return this.#server.service.counts.probes;
  }

  /**
   * Settles once the condition holds; it is looked at after every change of a counter. Rejects when the
   * backend stops before.
   */
  until(isMet: () => boolean): Promise<void> {
    return this.#changes.until(isMet);
  }

  /** Closes every connection at once, as a backend that dies does; goes on accepting new ones. */
  dropAll(): void {
    this.#server.dropAll();
    this.#closeSilent();
  }

  /** Closes its endpoints and every connection, and removes the files it made. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    this.#changes.end(new Error('the embedded backend was stopped'));
    this.#closeSilent();
    this.#http?.closeAllConnections();
    await this.#server.close(0);
    this.#directory.remove();
  }

  #closeSilent(): void {
    for (const [broker, descriptor] of this.#silent) {
      loadNative()?.system.close(descriptor);
      broker.destroy();
    }
    this.#silent.clear();
  }

  #serve(socket: Socket, origin: ConnectionOrigin): true {
    const { identity, onConnection } = this.#settings;
    if (onConnection !== undefined) {
      onConnection(socket, origin);
      return true;
    }
    const whole = { ...ownIdentity(this.endpoint), ...withoutUndefined(identity ?? {}) };
    answerProbes(
      socket,
      whole,
      () => this.#server.service.count('probes'),
      () => void socket.pipe(socket),
    );
    return true;
  }

  /** Answers an offer in another way than a good backend does. */
  #misbehave({ broker, descriptor, offer }: ReceivedOffer, mode: Exclude<HandoffMode, 'accept'>): true {
    if (mode === 'silent') {
      this.#silent.set(broker, descriptor);
      return true;
    }
    loadNative()?.system.close(descriptor);
    if (mode === 'reject') answerOffer(broker, offer, 'rejected by the test');
    else if (mode === 'wrongToken')
      answerOffer(broker, { ...offer, token: randomBytes(HANDOFF_TOKEN_BYTES) });
    else broker.destroy();
    return true;
  }
}
