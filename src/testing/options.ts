import { checkName, checkObject, rejectUnknownOptions } from '../validation.js';
import type { Hello } from '../wire/messages.js';
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
   * What becomes of each Hello; `undefined` leaves it to the broker's `behaviour`. What it throws is not
   * caught.
   */
  readonly decide?:
    ((hello: Hello) => BrokerBehaviour | undefined | Promise<BrokerBehaviour | undefined>) | undefined;
  /** How long a request may take to arrive, in milliseconds (V-20). @default 30000 */
  readonly helloTimeoutMs?: number | undefined;
  /** How long a backend may take to answer an offer, in milliseconds (H-08). @default 5000 */
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

/** The same for what can become of any reply. */
export function checkReplyBehaviour(field: string, behaviour: ReplyBehaviour): ReplyBehaviour {
  checkFields(field, behaviour, REPLY_FIELDS);
  return behaviour;
}

/** @throws `INVALID_ARGUMENT` for fields that a service does not have */
export function checkServiceOptions(field: string, service: Partial<EmbeddedService>): void {
  rejectUnknownOptions(field, service, SERVICE_NAMES);
}

/**
 * The options that are set: one that is `undefined` has its default, and must not displace another value in a
 * spread.
 */
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
