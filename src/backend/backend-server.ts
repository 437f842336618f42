import { createServer, Socket, type Server } from 'node:net';
import { throwLater } from '../clock.js';
import { BrokerPoolError, printableEndpoint } from '../errors.js';
import { checkPeer } from '../os/endpoint-trust.js';
import { loadHandlePassing } from '../os/handle-passing.js';
import { loadNative } from '../os/native.js';
import { descriptorOf } from '../os/socket-handle.js';
import { warnProcess } from '../process-warning.js';
import type { DaemonProcess } from '../wire/messages.js';
import type { BackendRequest } from './connections/backend-request.js';
import { ClientConnections } from './connections/client-connections.js';
import { FrameConnection, type FrameConnectionHost } from './connections/frame-connection.js';
import { answerOffer, HandoffIntake, type ReceivedOffer } from './handoff/handoff-intake.js';
import { BackendIdentity } from './identity/backend-identity.js';
import { removeIdentityFile, writeIdentityFile } from './identity/identity-file.js';
import { bind, removeSocket } from './listening/bind.js';
import { adoptListener } from './listening/inherited.js';
import { startError } from './listening/start-error.js';
import type { BackendSettings, ConnectionOrigin } from './options.js';

/** Where and in whose name to serve. */
export interface ServingPlace {
  readonly endpoint: string;
  readonly namespace: string;
  /** The broker's listening socket, to be used in place of a new one. */
  readonly listener: number | undefined;
}

/** What a backend has counted since it started. */
export interface BackendCounts {
  /** Connections accepted at the endpoint. */
  accepted: number;
  /** Connections taken over from brokers. */
  adopted: number;
  /** Valid offers of brokers. */
  offers: number;
  /** Identity probes. */
  probes: number;
  /** Calls of `onRequest`. */
  requests: number;
}

/** Additions for the testing kit. */
export interface BackendHooks {
  /** A count has changed, or a connection has closed. */
  readonly onChange: () => void;
  /** Decides about an offer in place of the backend; it owns descriptor and connection if it returns true. */
  readonly takeOffer?: (received: ReceivedOffer) => boolean;
  /** Serves a connection from its first byte in place of the backend, if it returns true. */
  readonly takeConnection?: (socket: Socket, origin: ConnectionOrigin) => boolean;
}

/** Serves an endpoint, and a handoff endpoint beside it. */
export class BackendServer {
  readonly counts: BackendCounts = { accepted: 0, adopted: 0, offers: 0, probes: 0, requests: 0 };
  readonly identity: BackendIdentity;
  readonly #settings: BackendSettings;
  readonly #place: ServingPlace;
  readonly #hooks: BackendHooks;
  readonly #connections: ClientConnections;
  readonly #servers: Server[] = [];
  #intake: HandoffIntake | undefined;
  /** What stands in the identity file that it has written. */
  #published: DaemonProcess | undefined;
  #isClosing = false;

  constructor(settings: BackendSettings, place: ServingPlace, hooks: BackendHooks) {
    this.#settings = settings;
    this.#place = place;
    this.#hooks = hooks;
    this.#connections = new ClientConnections(hooks.onChange, settings.httpServer);
    this.identity = new BackendIdentity(place.endpoint, place.namespace, settings.identity);
  }

  /** Connections being served now. */
  get openConnections(): number {
    return this.#connections.size;
  }

  /** Listens, and writes the identity file. Where that fails, nothing stays open. */
  async start(): Promise<void> {
    try {
      await this.#listen();
      await this.#listenForOffers();
      await this.#publish();
    } catch (error) {
      await this.close(0);
      throw error;
    }
  }

  /** Answers what is in flight, and removes the files. A later call may shorten the time. */
  async close(timeoutMs: number): Promise<void> {
    this.#isClosing = true;
    const { identityFile } = this.#settings;
    const { endpoint, listener } = this.#place;
    if (identityFile !== undefined && this.#published !== undefined)
      removeIdentityFile(identityFile, this.#published);
    const isAdopted = listener !== undefined && this.#servers[0]?.listening === true;
    const closed = this.#servers.filter(({ listening }) => listening).map(closeServer);
    // L-27. Node removes the files of the sockets that it made itself.
    if (isAdopted) removeSocket(endpoint);
    this.#intake?.dropAll();
    await this.#connections.drain(timeoutMs);
    await Promise.all(closed);
  }

  /** Closes every connection at once, and goes on accepting new ones. */
  dropAll(): void {
    this.#connections.destroyAll();
  }

  async #listen(): Promise<void> {
    const { endpoint, listener } = this.#place;
    const server = this.#createServer(false, (socket) => {
      this.#serve(socket, false);
      this.count('accepted');
    });
    if (listener === undefined) await bind(server, endpoint, this.#settings);
    else await adoptListener(server, listener, endpoint);
  }

  async #listenForOffers(): Promise<void> {
    const { handoffEndpoint, maxOffers, offerTimeoutMs, trust } = this.#settings;
    if (handoffEndpoint === undefined) return;
    const passing = loadHandlePassing();
    const system = loadNative()?.system;
    if (passing === undefined || system === undefined)
      throw startError(
        handoffEndpoint,
        'handoffs need the C library (koffi), which is not available here: leave handoffEndpoint out',
      );
    const intake = new HandoffIntake({
      passing,
      closeDescriptor: (descriptor) => void system.close(descriptor),
      trust,
      maxOffers,
      offerTimeoutMs,
      onOffer: (received) => this.#onOffer(received, (descriptor) => void system.close(descriptor)),
    });
    this.#intake = intake;
    const server = this.#createServer(true, (socket) => intake.take(socket));
    await bind(server, handoffEndpoint, this.#settings);
  }

  /** Clients must find a listener behind the identity, so this comes last. */
  async #publish(): Promise<void> {
    const { identityFile } = this.#settings;
    // A prober waits 500 ms: a hash that is not known yet is computed now (L-23).
    if (this.#place.listener !== undefined) this.identity.get().catch(() => {});
    if (identityFile === undefined) return;
    try {
      const identity = await this.identity.get();
      writeIdentityFile(identityFile, identity);
      this.#published = identity;
    } catch (error) {
      throw startError(this.#place.endpoint, 'identityFile cannot be written', error, 'Give another path.');
    }
  }

  /** @param pauseOnConnect accept without reading: Node would lose a descriptor that comes with bytes (H-05) */
  #createServer(pauseOnConnect: boolean, onConnection: (socket: Socket) => void): Server {
    // Half-open: a client that ends its side still gets its answers (S-59).
    const server = createServer({ allowHalfOpen: true, pauseOnConnect }, onConnection);
    server.on('error', (error) => {
      if (server.listening) warnProcess('BROKER_POOL_ACCEPT_FAILED', `accept failed: ${error.message}`);
    });
    this.#servers.push(server);
    return server;
  }

  #serve(socket: Socket, adopted: boolean): void {
    const isTrusted = checkPeer(descriptorOf(socket), this.#settings.trust) === undefined;
    if (!isTrusted || this.#isClosing) {
      socket.on('error', () => {});
      return void socket.destroy();
    }
    if (this.#hooks.takeConnection?.(socket, { adopted }) === true)
      return this.#connections.add(socket, undefined);
    this.#connections.add(socket, new FrameConnection(socket, this.#hostOf(adopted)));
  }

  #hostOf(adopted: boolean): FrameConnectionHost {
    const { classify, httpServer, maxInFlight, onConnection, onRequest, payloadProtocols } = this.#settings;
    return {
      classify,
      maxInFlight,
      payloadProtocols,
      takesOwnBytes: onConnection !== undefined || httpServer !== undefined,
      onRequest: onRequest && ((request) => this.#onRequest(request, onRequest)),
      identity: () => this.#tellIdentity(),
      onProbe: () => this.count('probes'),
      onRequestError: (error, request) => this.#onRequestError(error, request),
      onOwnBytes: (socket) => {
        try {
          this.#connections.giveToService(socket);
          onConnection?.(socket, { adopted });
        } catch (error) {
          socket.destroy();
          throwLater(error);
        }
      },
    };
  }

  #onRequest(
    request: BackendRequest,
    onRequest: (request: BackendRequest) => Uint8Array | Promise<Uint8Array>,
  ): Uint8Array | Promise<Uint8Array> {
    this.count('requests');
    return onRequest(request);
  }

  #tellIdentity(): Uint8Array | Promise<Uint8Array | undefined> {
    const identity = this.identity.encoded();
    if (identity instanceof Uint8Array) return identity;
    return identity.catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      this.#report(`a probe has no answer, for the executable cannot be hashed: ${reason}`, error);
      return undefined;
    });
  }

  #onRequestError(error: unknown, { payloadProtocol, requestId }: BackendRequest): void {
    const reason = error instanceof Error ? error.message : String(error);
    const request = `request ${requestId} of protocol 0x${payloadProtocol.toString(16)}`;
    const advice = 'Let onRequest answer failures in its payloads: the client sees its connection end.';
    this.#report(`${request} has no answer: ${reason}. ${advice}`, error);
  }

  #report(problem: string, cause: unknown): void {
    const { onError } = this.#settings;
    const { endpoint } = this.#place;
    const message = `at ${printableEndpoint(endpoint)}, ${problem}`;
    const error = new BrokerPoolError('REQUEST_FAILED', message, { endpoint, cause });
    if (onError === undefined) return warnProcess('BROKER_POOL_REQUEST_FAILED', error.message);
    try {
      onError(error);
    } catch (thrown) {
      throwLater(thrown);
    }
  }

  #onOffer(received: ReceivedOffer, closeDescriptor: (descriptor: number) => void): void {
    const { broker, descriptor, offer } = received;
    if (this.#hooks.takeOffer?.(received) !== true) {
      const socket = socketOver(descriptor);
      if (socket === undefined) {
        closeDescriptor(descriptor);
        answerOffer(broker, offer, 'the descriptor is no connection');
      } else {
        // H-34. The answer first: the broker must not wait for what the service does with the connection.
        answerOffer(broker, offer);
        this.#serve(socket, true);
        this.count('adopted');
      }
    }
    this.count('offers');
  }

  /** Counts, and tells the hooks. */
  count(name: keyof BackendCounts): void {
    this.counts[name]++;
    this.#hooks.onChange();
  }
}

/** Settles when the last connection that was accepted there has closed. */
function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => void server.close(() => resolve()));
}

/** `undefined` for a descriptor that Node cannot read as a stream; it stays open then. */
function socketOver(descriptor: number): Socket | undefined {
  try {
    return new Socket({ fd: descriptor, allowHalfOpen: true });
  } catch {
    return undefined;
  }
}
