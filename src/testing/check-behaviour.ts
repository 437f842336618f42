import { invalidArgument, textOf } from '../errors.js';
import {
  option,
  optional,
  readOptions,
  required,
  unchecked,
  type Option,
  type OptionTable,
  type RequiredOption,
} from '../option-table.js';
import {
  checkCount,
  checkDurationMs,
  checkName,
  checkObject,
  checkString,
  checkText,
  checkVersion,
  described,
  rejectUnknownOptions,
} from '../validation.js';
import { decodeNegotiated, encodeNegotiated } from '../wire/control.js';
import { decodeFrame, encodeFrameBody } from '../wire/envelope.js';
import type { BrokerBehaviour, ReplyBehaviour } from './behaviour.js';
import type { EmbeddedService } from './hello-rules.js';

const wait = required((name, value) => checkWait(name, value));
const bytes = (name: string, value: unknown): Uint8Array => checkBytes(name, value);

/** The fields of each behaviour besides its kind. */
const REPLY_FIELDS = {
  answer: {},
  silent: {},
  close: {},
  halfFrame: { bytes: optional((name, value) => checkCount(name, value, { min: 0 })) },
  garbage: { bytes: optional(bytes) },
  wrongVersionByte: {},
  oversizedHeader: {},
  delay: { wait },
  chunked: {},
  extraBytes: { bytes: required(bytes) },
  envelope: { frame: required((name, value) => checkMessage(name, value, decodeFrame, encodeFrameBody)) },
} satisfies Readonly<Record<ReplyBehaviour['kind'], OptionTable>>;

const BROKER_FIELDS = {
  ...REPLY_FIELDS,
  refuse: {
    code: required(checkCode),
    reason: optional((name, value) => checkText(name, value, Infinity)),
    retryAfterMs: option((name, value) => checkCount(name, value, { min: 0 }), 0),
  },
  negotiate: {
    negotiated: required((name, value) => checkMessage(name, value, decodeNegotiated, encodeNegotiated)),
  },
  emptyPipe: {},
  noResult: {},
  wrongToken: {},
  rejectedAck: {},
  lateReady: { wait },
  readyThenBackendBytes: { bytes: required(bytes) },
} satisfies Readonly<Record<BrokerBehaviour['kind'], OptionTable>>;

const SERVICE_OPTIONS = {
  endpoint: required(checkString),
  version: optional(checkVersion),
  versions: optional(checkVersions),
  minVersion: optional(checkVersion),
  versionAllowList: optional(checkVersions),
  handoffEndpoint: optional(checkString),
} satisfies Readonly<Record<keyof EmbeddedService, Option<never, unknown> | RequiredOption<never, unknown>>>;

/** @throws `INVALID_ARGUMENT` for an unknown kind, and for fields that its kind does not have or that cannot work */
export function checkBehaviour(field: string, behaviour: BrokerBehaviour): BrokerBehaviour {
  checkFields(field, behaviour, BROKER_FIELDS);
  return behaviour;
}

/** {@link checkBehaviour} for replies. */
export function checkReplyBehaviour(field: string, behaviour: ReplyBehaviour): ReplyBehaviour {
  checkFields(field, behaviour, REPLY_FIELDS);
  return behaviour;
}

/** @throws `INVALID_ARGUMENT` for fields that a service does not have, lacks, or that cannot work */
export function checkService(field: string, service: EmbeddedService): void {
  readOptions(SERVICE_OPTIONS, service, field);
}

/** {@link checkService} for a service whose endpoint may be known later. */
export function checkServiceOptions(field: string, service: Partial<EmbeddedService>): void {
  readOptions({ ...SERVICE_OPTIONS, endpoint: optional(checkString) }, service, field);
}

type Fields = Readonly<Record<string, unknown>>;

function checkFields<Kind extends string>(
  field: string,
  behaviour: Fields,
  tables: Readonly<Record<Kind, OptionTable>>,
): void {
  checkObject(field, behaviour);
  const kinds: Kind[] = [];
  for (const kind in tables) kinds.push(kind);
  const kind = checkName(`${field}.kind`, behaviour['kind'], kinds);
  readOptions({ kind: unchecked<string>(), ...tables[kind] }, behaviour, field);
}

/** A time, or a promise of any kind. */
function checkWait(field: string, value: unknown): unknown {
  if (typeof value === 'object' && value !== null && typeof Reflect.get(value, 'then') === 'function')
    return value;
  if (typeof value === 'number')
    return checkDurationMs(field, value, { allowZero: true, allowInfinity: true });
  throw invalidArgument(field, `must be a number of milliseconds or a promise, got ${described(value)}`);
}

function checkBytes(field: string, value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw invalidArgument(field, `must be a Uint8Array, got ${described(value)}`);
}

/** A number of `RefusalCode`, or one that protocol v1 does not know. */
function checkCode(field: string, value: unknown): number {
  if (typeof value === 'number' && (value | 0) === value) return value;
  throw invalidArgument(field, `must be a number of RefusalCode, got ${described(value)}`);
}

function checkVersions(field: string, value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw invalidArgument(field, `must be an array, got ${described(value)}`);
  return value.map((version, index) => checkVersion(`${field}[${index}]`, version));
}

/**
 * Some fields of a message, which its codec checks.
 *
 * @param optionalNames the fields that a message may lack
 * @throws `INVALID_ARGUMENT`
 */
export function checkMessage<Message extends object>(
  field: string,
  value: unknown,
  decode: (body: Uint8Array) => Message,
  encode: (some: Partial<Message>) => Uint8Array,
  ...optionalNames: readonly (keyof Message & string)[]
): Partial<Message> {
  // Decoded from nothing, a message has each of its other fields.
  const names = Object.keys(decode(new Uint8Array(0)));
  rejectUnknownOptions(field, value, [...names, ...optionalNames]);
  try {
    encode(value);
  } catch (error) {
    const problem = textOf(error);
    throw invalidArgument(field, `cannot be sent: ${problem}`, error);
  }
  return value;
}
