import type { Socket } from 'node:net';
import { checkName, checkObject, rejectUnknownOptions } from '../validation.js';
import type { DaemonProcess, Hello } from '../wire/messages.js';
import type { BrokerBehaviour, ReplyBehaviour } from './behaviour.js';
import type { EmbeddedService } from './hello-rules.js';

/** Options of `EmbeddedBroker.start`. */
export interface EmbeddedBrokerOptions {
  /** Where to listen. @default a socket in `directory`; a pipe of its own on Windows */
  readonly endpoint?: string | undefined;
  /**
   * Made with mode 0700 where missing, and then left behind. @default a new temporary directory, removed at
   * the end
   */
  readonly directory?: string | undefined;
  /** Connections that may wait to be accepted. @default Node's */
  readonly backlog?: number | undefined;
  /** By service name. @default none: every Hello is refused as SERVICE_UNKNOWN */
  readonly services?: Readonly<Record<string, EmbeddedService>> | undefined;
  /**
   * Chooses what to do with each Hello; `undefined` leaves it to the broker's `behaviour`. Its errors are not
   * caught.
   */
  readonly decide?:
    ((hello: Hello) => BrokerBehaviour | undefined | Promise<BrokerBehaviour | undefined>) | undefined;
  /** How long a request may take to arrive, in milliseconds. @default 30000 */
  readonly helloTimeoutMs?: number | undefined;
  /** How long a backend may take to answer an offer, in milliseconds. @default 5000 */
  readonly handoffAckTimeoutMs?: number | undefined;
}

const BROKER_OPTION_NAMES = [
  'endpoint',
  'directory',
  'backlog',
  'services',
  'decide',
  'helloTimeoutMs',
  'handoffAckTimeoutMs',
] as const satisfies readonly (keyof EmbeddedBrokerOptions)[];

/** @throws `INVALID_ARGUMENT` for options that do not exist. @param field what the options are called */
export function checkBrokerOptions(field: string, options: EmbeddedBrokerOptions): void {
  rejectUnknownOptions(field, options, BROKER_OPTION_NAMES);
  for (const [name, service] of Object.entries(options.services ?? {}))
    checkServiceOptions(`services.${name}`, service);
}

/** What a backend does with a connection that a broker offers. */
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

/** Options of {@link EmbeddedBackend.start}. */
export interface EmbeddedBackendOptions {
  /** Where to serve. @default a socket in `directory`; a pipe of its own on Windows */
  readonly endpoint?: string | undefined;
  /** Where to take over connections. @default a socket in `directory` */
  readonly handoffEndpoint?: string | undefined;
  /**
   * Made with mode 0700 where missing, and then left behind. @default a new temporary directory, removed at
   * the end
   */
  readonly directory?: string | undefined;
  /** Connections that may wait to be accepted. @default Node's */
  readonly backlog?: number | undefined;
  /**
   * What to do with offered connections; anything but `none` needs FFI, see `canHandOff`. A broker offers the
   * connection of every client that advertises handle passing, also of a client that does not adopt: such a
   * connection ends as soon as the backend takes it over. @default 'none'
   */
  readonly handoff?: HandoffMode | 'none' | undefined;
  /**
   * Serves each connection, from its first byte. Sockets are half-open: end them when the client ends its side.
   * @default answers identity probes, then echoes
   */
  readonly onConnection?: ((socket: Socket, how: { readonly adopted: boolean }) => void) | undefined;
  /** The answer to identity probes. @default this process, with a hash of 32 zero bytes */
  readonly identity?: Partial<DaemonProcess> | undefined;
  /** How long an offer may take to arrive, in milliseconds. @default 5000 */
  readonly offerTimeoutMs?: number | undefined;
}

const BACKEND_OPTION_NAMES = [
  'endpoint',
  'handoffEndpoint',
  'directory',
  'backlog',
  'handoff',
  'onConnection',
  'identity',
  'offerTimeoutMs',
] as const satisfies readonly (keyof EmbeddedBackendOptions)[];

/** @throws `INVALID_ARGUMENT` for options that do not exist. @param field what the options are called */
export function checkBackendOptions(field: string, options: EmbeddedBackendOptions): void {
  rejectUnknownOptions(field, options, BACKEND_OPTION_NAMES);
  checkHandoff(options.handoff ?? 'none');
}

/** @throws `INVALID_ARGUMENT` for a mode that does not exist */
export function checkHandoff(mode: HandoffMode | 'none'): HandoffMode | 'none' {
  return checkName('handoff', mode, [...HANDOFF_MODES, 'none']);
}

/** The fields of each behaviour besides its kind. */
const REPLY_FIELDS: Readonly<Record<ReplyBehaviour['kind'], readonly string[]>> = {
  answer: [],
  silent: [],
  close: [],
  halfFrame: ['bytes'],
  garbage: ['bytes'],
  wrongVersionByte: [],
  oversizedHeader: [],
  delay: ['wait'],
  chunked: [],
  extraBytes: ['bytes'],
  envelope: ['frame'],
};

const BROKER_FIELDS: Readonly<Record<BrokerBehaviour['kind'], readonly string[]>> = {
  ...REPLY_FIELDS,
  refuse: ['code', 'reason', 'retryAfterMs'],
  negotiate: ['negotiated'],
  emptyPipe: [],
  noResult: [],
  wrongToken: [],
  rejectedAck: [],
  lateReady: ['wait'],
  readyThenBackendBytes: ['bytes'],
};

const SERVICE_NAMES = [
  'endpoint',
  'version',
  'versions',
  'minVersion',
  'versionAllowList',
  'handoffEndpoint',
] as const satisfies readonly (keyof EmbeddedService)[];

/** @throws `INVALID_ARGUMENT` for an unknown kind, and for fields that its kind does not have */
export function checkBehaviour(field: string, behaviour: BrokerBehaviour): BrokerBehaviour {
  checkFields(field, behaviour, BROKER_FIELDS);
  return behaviour;
}

/** {@link checkBehaviour} for replies. */
export function checkReplyBehaviour(field: string, behaviour: ReplyBehaviour): ReplyBehaviour {
  checkFields(field, behaviour, REPLY_FIELDS);
  return behaviour;
}

/** @throws `INVALID_ARGUMENT` for fields that a service does not have */
export function checkServiceOptions(field: string, service: Partial<EmbeddedService>): void {
  rejectUnknownOptions(field, service, SERVICE_NAMES);
}

/** The options that are set: an `undefined` means the default, and must not replace a value in a spread. */
export function withoutUndefined<T extends object>(options: T): T {
  const set = { ...options };
  for (const name in set) if (set[name] === undefined) delete set[name];
  return set;
}

type Fields = Readonly<Record<string, unknown>>;

function checkFields<Kind extends string>(
  field: string,
  behaviour: Fields,
  fieldsByKind: Readonly<Record<Kind, readonly string[]>>,
): void {
  checkObject(field, behaviour);
  const kinds: Kind[] = [];
  for (const kind in fieldsByKind) kinds.push(kind);
  const kind = checkName(`${field}.kind`, behaviour['kind'], kinds);
  rejectUnknownOptions(field, behaviour, ['kind', ...fieldsByKind[kind]]);
}
