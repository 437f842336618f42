import type { RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import type { BackendRequest } from '../backend/connections/backend-request.js';
import { invalidArgument } from '../errors.js';
import {
  callable,
  converted,
  duration,
  needing,
  option,
  optional,
  readOptions,
  type OptionsOf,
  type SettingsOf,
} from '../option-table.js';
import {
  checkCount,
  checkName,
  checkObject,
  checkServiceName,
  checkString,
  checkVersion,
  described,
} from '../validation.js';
import {
  decodeDaemonProcess,
  decodeEndpoint,
  encodeDaemonProcess,
  encodeEndpoint,
} from '../wire/identity.js';
import { checkMessage, checkService } from './check-behaviour.js';
import type { DaemonProcess, Hello } from '../wire/messages.js';
import type { BrokerBehaviour } from './behaviour.js';
import type { EmbeddedService } from './hello-rules.js';

/** The behaviour of a backend towards a connection that a broker offers. */
export type HandoffMode =
  /** Accepts and serves it. */
  | 'accept'
  /** Refuses and closes it. */
  | 'reject'
  /** Keeps it and sends no answer. */
  | 'silent'
  /** Closes it and sends no answer. */
  | 'close'
  /** Accepts with a wrong token, and closes it. */
  | 'wrongToken';

export const HANDOFF_MODES = [
  'accept',
  'reject',
  'silent',
  'close',
  'wrongToken',
] as const satisfies readonly HandoffMode[];

/** @throws `INVALID_ARGUMENT` for a mode that does not exist */
export function checkHandoff(name: string, mode: unknown): HandoffMode | 'none' {
  return checkName(name, mode, [...HANDOFF_MODES, 'none']);
}

/** Options of both servers. */
const listenerOptions = {
  /** Where to listen. @default a socket in `directory`; a pipe of its own on Windows */
  endpoint: optional(checkString),
  /**
   * Made with mode 0700 where missing, and then left behind. @default a new temporary directory, removed at
   * the end
   */
  directory: optional(checkString),
  /** Connections that may wait to be accepted. @default Node's */
  backlog: optional(checkBacklog),
};

const brokerOptions = {
  /** By service name. @default none: every Hello is refused as SERVICE_UNKNOWN */
  services: converted<Readonly<Record<string, EmbeddedService>>, Map<string, EmbeddedService>>(
    checkServices,
    () => new Map(),
  ),
  /**
   * Chooses what to do with each Hello; `undefined` leaves it to the broker's `behaviour`. Its errors are not
   * caught. @default none
   */
  decide: callable<(hello: Hello) => BrokerBehaviour | undefined | Promise<BrokerBehaviour | undefined>>(),
  /** How long a request may take to arrive, in milliseconds. @default 30000 */
  helloTimeoutMs: duration(30_000, { allowInfinity: true }),
  /** How long a backend may take to answer an offer, in milliseconds. @default 5000 */
  handoffAckTimeoutMs: duration(5_000, { allowInfinity: true }),
};

const backendOptions = {
  /** Where to take over connections. @default a socket in `directory` */
  handoffEndpoint: needing(['handoff'], optional(checkString)),
  /**
   * What to do with offered connections; anything but `none` needs FFI, see `canHandOff`. A broker offers the
   * connection of every client that advertises handle passing, also of a client that does not adopt: such a
   * connection ends as soon as the backend takes it over. @default 'none'
   */
  handoff: option<HandoffMode | 'none'>(checkHandoff, 'none'),
  /**
   * Serves each connection, from its first byte. Sockets are half-open: end them when the client ends its side.
   * Beside `payloadProtocols` it gets only connections whose bytes are neither frames nor probes. Not together with
   * `onHttp`, nor, without `payloadProtocols`, with `identity`.
   * @default answers identity probes, then echoes
   */
  onConnection: callable<(socket: Socket, how: { readonly adopted: boolean }) => void>(),
  /** Answers framed requests of these payload protocols instead of echoing bytes. @default none */
  payloadProtocols: optional(checkProtocols),
  /** Answers a framed request. @default with its payload */
  onRequest: needing(
    ['payloadProtocols'],
    callable<(request: BackendRequest) => Uint8Array | Promise<Uint8Array>>(),
  ),
  /** Answers HTTP requests instead of echoing bytes, also beside `payloadProtocols`. @default none */
  onHttp: callable<RequestListener>(),
  /** The answer to identity probes. @default this process, with a hash of 32 zero bytes */
  identity: optional(checkIdentity),
  /** How long an offer may take to arrive, in milliseconds. @default 5000 */
  offerTimeoutMs: needing(['handoff'], duration(5_000, { allowInfinity: true })),
};

/** Options of the functions that start both servers. */
export const systemOptions = {
  /** The service that the broker knows. @default 'echo' */
  serviceName: option(checkServiceName, 'echo'),
  /** The version of its backend. @default '1.0.0' */
  version: option(checkVersion, '1.0.0'),
};

export const embeddedBrokerOptions = { ...listenerOptions, ...brokerOptions };
export const embeddedBackendOptions = { ...listenerOptions, ...backendOptions };

/** Options of `EmbeddedBroker.start`. */
export interface EmbeddedBrokerOptions
  extends Readonly<OptionsOf<typeof listenerOptions>>, Readonly<OptionsOf<typeof brokerOptions>> {}

/** Options of `EmbeddedBackend.start`. */
export interface EmbeddedBackendOptions
  extends Readonly<OptionsOf<typeof listenerOptions>>, Readonly<OptionsOf<typeof backendOptions>> {}

/**
 * The checked options of a backend.
 *
 * @throws `INVALID_ARGUMENT` for an option that does not exist, and for options that exclude or lack each other
 */
export function checkBackendOptions(
  options: EmbeddedBackendOptions,
  path?: string,
): SettingsOf<typeof embeddedBackendOptions> {
  const settings = readOptions(embeddedBackendOptions, options, path);
  const { identity, onConnection, onHttp, payloadProtocols } = settings;
  const refuse = (name: string, problem: string): Error =>
    invalidArgument(path === undefined ? name : `${path}.${name}`, problem);
  if (onHttp !== undefined && onConnection !== undefined)
    throw refuse('onHttp', 'gets the connections that onConnection would get: give one of them');
  if (identity !== undefined && onConnection !== undefined && payloadProtocols === undefined)
    throw refuse('identity', 'needs payloadProtocols beside onConnection, which gets the probes otherwise');
  return settings;
}

export function checkBacklog(name: string, value: unknown): number {
  return checkCount(name, value, { min: 1 });
}

function checkProtocols(name: string, value: unknown): readonly number[] {
  if (!Array.isArray(value)) throw invalidArgument(name, `must be an array, got ${described(value)}`);
  return value.map((id, index) => checkCount(`${name}[${index}]`, id, { min: 0 }));
}

function checkIdentity(name: string, value: unknown): Partial<DaemonProcess> {
  const optionals = ['ipcEndpoint', 'idleTimeoutSecs'] as const;
  const identity = checkMessage(name, value, decodeDaemonProcess, encodeDaemonProcess, ...optionals);
  const { ipcEndpoint } = identity;
  if (ipcEndpoint !== undefined)
    checkMessage(`${name}.ipcEndpoint`, ipcEndpoint, decodeEndpoint, encodeEndpoint);
  return identity;
}

function checkServices(name: string, value: unknown): Map<string, EmbeddedService> {
  checkObject(name, value);
  const services = new Map<string, EmbeddedService>(Object.entries(value));
  for (const [service, options] of services) {
    checkServiceName(`${name}: the name of a service`, service);
    checkService(`${name}.${service}`, options);
  }
  return services;
}

/** The options that are set: an `undefined` means the default, and must not replace a value in a spread. */
export function withoutUndefined<T extends object>(options: T): T {
  const set = { ...options };
  for (const name in set) if (set[name] === undefined) delete set[name];
  return set;
}
