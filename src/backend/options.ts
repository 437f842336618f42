import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { checkEndpoint } from '../endpoint.js';
import { BrokerPoolError, invalidArgument } from '../errors.js';
import {
  callable,
  converted,
  count,
  duration,
  needing,
  optional,
  type OptionsOf,
  type SettingsOf,
} from '../option-table.js';
import { ownTrust, type EndpointTrust } from '../os/endpoint-trust.js';
import { checkTrust, type TrustOptions } from '../trust-option.js';
import {
  checkAbsolutePath,
  checkBoolean,
  checkCount,
  checkString,
  described,
  rejectUnknownOptions,
} from '../validation.js';
import { declareConsumerProtocol, encodeDaemonProcess, type DaemonProcess } from '../wire/messages.js';
import type { BackendRequest } from './connections/backend-request.js';
import type { Classification } from './connections/classification.js';

/** How a connection came to the backend. */
export interface ConnectionOrigin {
  /** A broker handed it over; otherwise the client dialled the endpoint. */
  readonly adopted: boolean;
}

const IDENTITY_FIELDS = [
  'pid',
  'exePath',
  'ipcEndpoint',
  'startedAtUnixMs',
  'bootId',
  'idleTimeoutSecs',
  'exeHashAlgorithm',
  'exeHash',
] as const satisfies readonly (keyof DaemonProcess)[];

export const backendOptions = {
  /**
   * Where to listen. A missing directory is made with mode 0700; a socket file that a killed process left is
   * replaced. A broker that launched this process decides instead. @default the broker's
   */
  endpoint: optional(checkEndpoint),
  /**
   * Where brokers hand connections over; needs the C library (koffi). @default none
   * @see docs/backend.md#handoffs
   */
  handoffEndpoint: optional(checkEndpoint),
  /** The payload protocols of `onRequest`, from 0x7000 to 0x7EFF or 0xF000 to 0xFFFF. @default none */
  payloadProtocols: converted<readonly number[], ReadonlySet<number>>(checkProtocols, () => new Set()),
  /**
   * Answers a request, at once or with a promise. Where it throws, rejects or returns anything but a
   * `Uint8Array`, the connection takes no more requests, and ends behind the other answers. @default none
   * @see docs/backend.md#requests
   */
  onRequest: callable<(request: BackendRequest) => Uint8Array | Promise<Uint8Array>>(),
  /**
   * Serves the connections whose bytes are neither frames nor probes: `http.createServer(listener)`, which need not
   * listen. `close` ends idle ones at once, each other one behind its answer. @default none
   */
  httpServer: optional(checkHttpServer),
  /**
   * Takes a connection whose bytes are neither frames nor probes, all of them unread. The socket is half-open: end it
   * when the client ends its side. @default such a connection is closed
   */
  onConnection: callable<(socket: Socket, origin: ConnectionOrigin) => void>(),
  /**
   * Tells the bytes of your own protocol, which begin with byte 1 as frames do: `'own'`, `'frames'` or
   * `'incomplete'`. It is asked at each message boundary. @default every first byte but 1 is your own
   */
  classify: needing(['onConnection', 'httpServer'], callable<(bytes: Uint8Array) => Classification>()),
  /** Absolute path of the file by which clients find the backend without a broker. @default none */
  identityFile: optional(checkAbsolutePath),
  /** The namespace of the identity. A broker that launched this process decides instead. @default `shared` */
  namespace: optional(checkString),
  /** Fields of the identity to tell in place of this process's own. @default none */
  identity: converted<Partial<DaemonProcess>, Partial<DaemonProcess>>(checkIdentity, () => ({})),
  /**
   * Other users whose clients and brokers are served, and shared directories: `{ userIds, sharedDirectories }`.
   * @default none
   */
  trust: converted<TrustOptions, EndpointTrust>(checkTrust, ownTrust),
  /** Requests of one connection that may await their answers; then it is read no further. @default 64 */
  maxInFlight: needing(['onRequest'], count(64, { min: 1 })),
  /** Offers of brokers that may be under way; further ones are closed unread. @default 64 */
  maxOffers: needing(['handoffEndpoint'], count(64, { min: 1 })),
  /** How long an offer may take to arrive, in milliseconds. @default 5000 */
  offerTimeoutMs: needing(['handoffEndpoint'], duration(5_000)),
  /** Connections that may wait to be accepted. @default Node's */
  backlog: optional((name, value) => checkCount(name, value, { min: 1 })),
  /**
   * Close when the process gets SIGTERM, and end the process then unless it handles SIGTERM itself.
   * @default only where a broker launched this process
   */
  closeOnSigterm: optional(checkBoolean),
  /** Gets the errors of requests, with code `REQUEST_FAILED`. @default a process warning each */
  onError: callable<(error: BrokerPoolError) => void>(),
};

/** Options of {@link serveBackend}. */
export interface BackendOptions extends Readonly<OptionsOf<typeof backendOptions>> {}

/** The options once checked. */
export type BackendSettings = SettingsOf<typeof backendOptions>;

export const closeOptions = {
  /** How long requests in flight and connections of `onConnection` may take to end, in ms. @default 10000 */
  timeoutMs: duration(10_000, { allowZero: true, allowInfinity: true }),
};

/** Options of `backend.close()`. */
export interface CloseBackendOptions extends Readonly<OptionsOf<typeof closeOptions>> {}

/** Checks what options demand of each other. */
export function checkTogether(settings: BackendSettings): void {
  const { endpoint, handoffEndpoint, httpServer, onConnection, onRequest, payloadProtocols } = settings;
  if (onRequest === undefined && onConnection === undefined && httpServer === undefined)
    throw invalidArgument('onRequest', 'or onConnection or httpServer must be given');
  if (onConnection !== undefined && httpServer !== undefined)
    throw invalidArgument('httpServer', 'gets the connections that onConnection would get: give one of them');
  if ((onRequest === undefined) !== (payloadProtocols.size === 0))
    throw invalidArgument('payloadProtocols', 'and onRequest go together: give both or neither');
  if (handoffEndpoint !== undefined && handoffEndpoint === endpoint)
    throw invalidArgument('handoffEndpoint', 'must differ from endpoint');
}

/** The fields that are set, each of its type. */
function checkIdentity(name: string, value: unknown): Partial<DaemonProcess> {
  rejectUnknownOptions(name, value, IDENTITY_FIELDS);
  const identity: Partial<DaemonProcess> = Object.fromEntries(
    Object.entries(value).filter(([, field]) => field !== undefined),
  );
  renamed(name, /^DaemonProcess(?=\.)/, () => encodeDaemonProcess(identity));
  return identity;
}

/** Runs `work`, whose `INVALID_ARGUMENT` begins with another name. */
function renamed<T>(name: string, other: RegExp, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof BrokerPoolError
      ? new BrokerPoolError('INVALID_ARGUMENT', error.message.replace(other, name))
      : error;
  }
}

/** Looks for the methods that are called, not for the class: a framework may have a class of its own. */
function checkHttpServer(name: string, value: unknown): Server {
  if (!isServer(value)) throw invalidArgument(name, `must be a server of node:http, got ${described(value)}`);
  return value;
}

function isServer(value: unknown): value is Server {
  return (
    typeof value === 'object' && value !== null && 'prependListener' in value && 'keepAliveTimeout' in value
  );
}

function checkProtocols(name: string, value: unknown): ReadonlySet<number> {
  if (!Array.isArray(value)) throw invalidArgument(name, 'must be an array of payload protocols');
  const protocols = new Set<number>();
  for (const [index, id] of value.entries()) protocols.add(checkProtocol(`${name}[${index}]`, id));
  return protocols;
}

function checkProtocol(name: string, id: unknown): number {
  const number = checkCount(name, id, { min: 0 });
  return renamed(name, /^payloadProtocol(?= )/, () => declareConsumerProtocol(number));
}
