import { createServer, Socket, type Server } from 'node:net';
import { throwLater } from '../clock.js';
import { checkPeer } from '../os/endpoint-trust.js';
import { loadHandlePassing } from '../os/handle-passing.js';
import { loadNative } from '../os/native.js';
import { descriptorOf } from '../os/socket-handle.js';
import { warnProcess } from '../process-warning.js';
import type { DaemonProcess } from '../wire/messages.js';
import { OpenConnections } from './connections/open-connections.js';
import { FrameConnection } from './connections/frame-connection.js';
import { Service } from './connections/service.js';
import { answerOffer, HandoffIntake, type ReceivedOffer } from './handoff/handoff-intake.js';
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

/** Decides about an offer in place of the backend; owns descriptor and connection where the result is true. */
type TakeOffer = (received: ReceivedOffer) => boolean;
/** Serves a connection from its first byte in place of the backend, where the result is true. */
type TakeConnection = (socket: Socket, origin: ConnectionOrigin) => boolean;

/** Serves an endpoint, and a handoff endpoint beside it. */
export class BackendServer {
  readonly service: Service;
  readonly #settings: BackendSettings;
  readonly #place: ServingPlace;
  readonly #takeOffer: TakeOffer | undefined;
  readonly #takeConnection: TakeConnection | undefined;
  readonly #connections: OpenConnections;
  readonly #servers: Server[] = [];
  #intake: HandoffIntake | undefined;
  /** The identity in the file that it has written. */
  #published: DaemonProcess | undefined;
  #isClosing = false;

  /**
   * The functions are for the testing kit.
   *
   * @param onChange is called when a count has changed or a connection has closed
   */
  constructor(
    settings: BackendSettings,
    place: ServingPlace,
    onChange: () => void = () => {},
    takeOffer?: TakeOffer,
    takeConnection?: TakeConnection,
  ) {
    this.#settings = settings;
    this.#place = place;
    this.#takeOffer = takeOffer;
    this.#takeConnection = takeConnection;
    this.#connections = new OpenConnections(onChange, settings.httpServer);
    this.service = new Service(settings, place.endpoint, place.namespace, onChange);
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

  /** Answers the requests in flight, and removes the files. A later call may shorten the time. */
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
      this.service.count('accepted');
    });
    if (listener === undefined) await bind(server, endpoint, this.#settings);
    else await adoptListener(server, listener, endpoint);
  }

  async #listenForOffers(): Promise<void> {
    const { handoffEndpoint } = this.#settings;
    if (handoffEndpoint === undefined) return;
    const passing = loadHandlePassing();
    const system = loadNative()?.system;
    if (passing === undefined || system === undefined)
      throw startError(
        handoffEndpoint,
        'handoffs need the C library (koffi), which is not available here: leave handoffEndpoint out',
      );
    const closeDescriptor = (descriptor: number): void => void system.close(descriptor);
    const intake = new HandoffIntake(passing, this.#settings, closeDescriptor, (received) =>
      this.#onOffer(received, closeDescriptor),
    );
    this.#intake = intake;
    const server = this.#createServer(true, (socket) => intake.take(socket));
    await bind(server, handoffEndpoint, this.#settings);
  }

  /** Clients must find a listener behind the identity, so this comes last. */
  async #publish(): Promise<void> {
    const { identityFile } = this.#settings;
    // A prober waits 500 ms: a hash that is not known yet is computed now (L-23).
    if (this.#place.listener !== undefined) this.service.identity.get().catch(() => {});
    if (identityFile === undefined) return;
    try {
      const identity = await this.service.identity.get();
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
    if (this.#takeConnection?.(socket, { adopted }) === true) return this.#connections.add(socket, undefined);
    const frames = new FrameConnection(socket, this.service, () => this.#giveToService(socket, adopted));
    this.#connections.add(socket, frames);
  }

  #giveToService(socket: Socket, adopted: boolean): void {
    try {
      this.#connections.giveToService(socket);
      this.#settings.onConnection?.(socket, { adopted });
    } catch (error) {
      socket.destroy();
      throwLater(error);
    }
  }

  #onOffer(received: ReceivedOffer, closeDescriptor: (descriptor: number) => void): void {
    const { broker, descriptor, offer } = received;
    if (this.#takeOffer?.(received) !== true) {
      const socket = socketOver(descriptor);
      if (socket === undefined) {
        closeDescriptor(descriptor);
        answerOffer(broker, offer, 'the descriptor is no connection');
      } else {
        // H-34. The answer first: the broker must not wait while the service handles the connection.
        answerOffer(broker, offer);
        this.#serve(socket, true);
        this.service.count('adopted');
      }
    }
    this.service.count('offers');
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
