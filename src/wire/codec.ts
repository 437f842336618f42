import { isUint8Array } from 'node:util/types';
import type { Writer } from 'protobufjs/minimal.js';
import { BrokerPoolError, invalidArgument, type ErrorCode, textOf } from '../errors.js';
import { copyOf, LONE_SURROGATE, MAX_U32, MAX_U64 } from './frame.js';
import { broker } from './gen/broker-v1-typed.js';
import type { FieldKind, FieldTable, Message } from './field-table.js';

/** The messages that the .proto files define. */
type MessageName = {
  [Name in keyof typeof broker]: (typeof broker)[Name] extends { encode: unknown } ? Name : never;
}[keyof typeof broker];

/** A message as the generated code takes and returns it. */
type Wire<Name extends MessageName> = Parameters<(typeof broker)[Name]['encode']>[0];

/**
 * A 64-bit number as protobufjs holds it; a plain number where another part of the program has switched off
 * protobufjs's support for `long`.
 */
type WireU64 = number | { low: number; high: number; unsigned: boolean };

/** How the generated code holds each kind. */
interface WireTypes {
  u32: number;
  u64: WireU64;
  enum: number;
  bool: boolean;
  string: string;
  bytes: Uint8Array;
  strings: string[];
  stringMap: Record<string, string>;
}

/** The kinds that fit a field of the generated code. The compiler does not tell an enum from a number. */
type KindOf<Value> = {
  [Kind in FieldKind]: [Value] extends [number]
    ? WireTypes[Kind] extends number
      ? Kind
      : never
    : [WireTypes[Kind], Value] extends [Value, WireTypes[Kind]]
      ? Kind
      : never;
}[FieldKind];

/** The form of a message's table: every field of the generated code, with a kind that fits it. */
type TableFor<Name extends MessageName> = {
  readonly [Field in Exclude<keyof Wire<Name>, '$unknowns'>]-?:
    | KindOf<NonNullable<Wire<Name>[Field]>>
    | ('u32' extends KindOf<NonNullable<Wire<Name>[Field]>> ? 'u32?' : never)
    | (NonNullable<Wire<Name>[Field]> extends { $unknowns?: Uint8Array[] } ? FieldTable : never);
};

/** Encodes and decodes one kind of message. */
interface Codec<Decoded, WireMessage> {
  /** Checks a message and puts it into protobufjs's terms. Throws `INVALID_ARGUMENT`. */
  toWire(this: void, message: Partial<Decoded>): WireMessage;
  fromWire(this: void, wire: WireMessage): Decoded;
  /** `toWire`, encoded but not yet taken out of protobufjs's own buffer. */
  write(this: void, message: Partial<Decoded>): Writer;
  encode(this: void, message: Partial<Decoded>): Uint8Array;
  decode(this: void, body: Uint8Array): Decoded;
}

interface DecodeFailure {
  /** The name of the message in the error. @default the name in the .proto file */
  readonly what?: string;
  /** @default `DECODE_FRAME` */
  readonly code?: ErrorCode;
}

/** One entry of a table, read once. */
interface PlannedField {
  readonly name: string;
  readonly kind: FieldKind | readonly PlannedField[];
  /** A field with explicit presence: absent in the message when absent on the wire (W-21). */
  readonly isOptional: boolean;
}

const NOTHING = new Uint8Array(0);

/**
 * Makes the codec of a message from its table. The compiler checks the table against the generated code.
 *
 * Fields missing from a message to encode stand for their defaults.
 */
export function defineMessage<Name extends MessageName, Table extends FieldTable & TableFor<Name>>(
  name: Name,
  table: Table,
  failure?: DecodeFailure,
): Codec<Message<Table>, Wire<Name>>;
// The implementation is the same for all messages.
export function defineMessage(
  name: MessageName,
  table: FieldTable,
  { what = name, code = 'DECODE_FRAME' }: DecodeFailure = {},
): Codec<object, object> {
  // The generated code writes fields in ascending order without defaults (W-20), skips unknown fields (W-22),
  // checks that strings are UTF-8 and limits nesting to 100 levels (W-25).
  const source: { encode(message: object): Writer; decode(body: Uint8Array): object } = broker[name];
  const fields = plan(table);
  const write = (message: object): Writer => source.encode(messageToWire(fields, message, name));
  return {
    toWire: (message) => messageToWire(fields, message, name),
    fromWire: (wire) => messageFromWire(fields, wire),
    write,
    encode: (message) => takeBytes(write(message)),
    decode: (body) => decoding(what, code, () => messageFromWire(fields, source.decode(body))),
  };
}

/**
 * Takes the encoded bytes out of a writer, into an ArrayBuffer of their own: Node's are slices of a shared
 * pool.
 */
export function takeBytes(writer: Writer): Uint8Array {
  return writer.finishInto(new Uint8Array(writer.pos));
}

/** Runs a decoder; its error becomes the cause of a {@link BrokerPoolError} with the given code. */
export function decoding<Result>(what: string, code: ErrorCode, decode: () => Result): Result {
  try {
    return decode();
  } catch (cause) {
    const problem = textOf(cause);
    throw new BrokerPoolError(code, `failed to decode ${what}: ${problem}`, { cause });
  }
}

function plan(table: FieldTable): readonly PlannedField[] {
  return Object.entries(table).map(([name, entry]) => {
    if (typeof entry !== 'string') return { name, kind: plan(entry), isOptional: true };
    return entry === 'u32?'
      ? { name, kind: 'u32', isOptional: true }
      : { name, kind: entry, isOptional: false };
  });
}

function messageToWire(fields: readonly PlannedField[], message: object, where: string): object {
  const wire: Record<string, unknown> = {};
  for (const { name, kind } of fields) {
    const value: unknown = Reflect.get(message, name);
    if (value !== undefined) wire[name] = toWire(kind, value, where, name);
  }
  return wire;
}

/** Checks a value that the generated code would silently bend to fit, and converts it. */
function toWire(kind: PlannedField['kind'], value: unknown, message: string, field: string): unknown {
  switch (kind) {
    case 'u32':
      if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_U32)
        return value;
      throw misfit(message, field, `must be an integer from 0 to ${MAX_U32}`, value);
    case 'u64':
      if (typeof value !== 'bigint' || value < 0n || value > MAX_U64)
        throw misfit(message, field, `must be a bigint from 0 to ${MAX_U64}`, value);
      return { low: Number(value & 0xffff_ffffn) | 0, high: Number(value >> 32n) | 0, unsigned: true };
    case 'enum':
      // Open (W-23): numbers unknown to v1 pass in both directions.
      if (typeof value === 'number' && (value | 0) === value) return value;
      throw misfit(message, field, 'must be a 32-bit integer', value);
    case 'bool':
      if (typeof value === 'boolean') return value;
      throw misfit(message, field, 'must be a boolean', value);
    case 'string':
      if (typeof value !== 'string') throw misfit(message, field, 'must be a string', value);
      // Half a surrogate pair has no UTF-8 form, and a peer would reject the whole message for it (W-25).
      if (LONE_SURROGATE.test(value))
        throw invalidArgument(`${message}.${field}`, 'must be well-formed Unicode');
      return value;
    case 'bytes':
      if (isUint8Array(value)) return value;
      throw misfit(message, field, 'must be a Uint8Array', value);
    case 'strings':
      if (!Array.isArray(value)) throw misfit(message, field, 'must be an array', value);
      return value.map((item: unknown, index) => toWire('string', item, message, `${field}[${index}]`));
    case 'stringMap':
      if (typeof value !== 'object' || value === null)
        throw misfit(message, field, 'must be an object', value);
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [
          toWire('string', key, `a key of ${message}`, field),
          toWire('string', item, `${message}.${field}`, key),
        ]),
      );
    default:
      if (typeof value !== 'object' || value === null)
        throw misfit(message, field, 'must be an object', value);
      return messageToWire(kind, value, `${message}.${field}`);
  }
}

function misfit(message: string, field: string, rule: string, value: unknown): BrokerPoolError {
  return invalidArgument(`${message}.${field}`, `${rule}, not ${String(value)}`);
}

/** Converts a decoded message; a field that is not on the wire gets the default of its kind. */
function messageFromWire(fields: readonly PlannedField[], source: object): object {
  const message: Record<string, unknown> = {};
  for (const { name, kind, isOptional } of fields) {
    const wire = Reflect.get(source, name);
    if (isOptional && (wire === null || wire === undefined)) continue;
    switch (kind) {
      case 'u32':
      case 'enum':
        message[name] = wire ?? 0;
        break;
      case 'u64':
        message[name] = u64FromWire(wire ?? 0);
        break;
      case 'bool':
        message[name] = wire ?? false;
        break;
      case 'string':
        message[name] = wire ?? '';
        break;
      case 'bytes':
        // protobufjs gives a view that would keep the whole frame alive.
        message[name] = copyOf(wire ?? NOTHING);
        break;
      case 'strings':
        message[name] = wire ?? [];
        break;
      case 'stringMap':
        // Any key is just a key here, `__proto__` too.
        message[name] = Object.fromEntries(Object.entries(wire ?? {}));
        break;
      default:
        message[name] = messageFromWire(kind, wire);
    }
  }
  return message;
}

/** Throws where protobufjs has rounded the number. */
export function u64FromWire(wire: WireU64): bigint {
  if (typeof wire === 'object') return (BigInt(wire.high >>> 0) << 32n) | BigInt(wire.low >>> 0);
  if (!Number.isSafeInteger(wire)) throw new RangeError(`64-bit number ${wire} was rounded by protobufjs`);
  return BigInt(wire);
}
