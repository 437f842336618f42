import type { Writer } from 'protobufjs/minimal.js';
import { BrokerPoolError, type ErrorCode } from '../errors.js';
import type { Field } from './fields.js';
import { broker } from './gen/broker-v1-typed.js';

/** The messages that the .proto files define. */
export type MessageName = {
  [Name in keyof typeof broker]: (typeof broker)[Name] extends { encode: unknown } ? Name : never;
}[keyof typeof broker];

/** A message as the generated code takes and gives it. */
export type Wire<Name extends MessageName> = Parameters<(typeof broker)[Name]['encode']>[0];

// To us enums are open, just numbers.
type WireValue<Value> = Value extends number ? number : Exclude<Value, null>;

/** The kind of each field of a message; it must fit what the generated code has under the same name. */
export type Fields<Message, Name extends MessageName> = {
  readonly [Key in keyof Message]-?: Key extends keyof Wire<Name>
    ? Field<Message[Key], WireValue<Wire<Name>[Key]>>
    : never;
};

/** Encodes and decodes one kind of message. */
export interface Codec<Message, WireMessage> {
  /**
   * Checks a message and puts it into protobufjs's terms. Throws `INVALID_ARGUMENT`; `where` leads field
   * names.
   */
  toWire(this: void, message: Partial<Message>, where?: string): WireMessage;
  fromWire(this: void, wire: WireMessage): Message;
  /** `toWire`, encoded but not yet taken out of protobufjs's own buffer. */
  write(this: void, message: Partial<Message>): Writer;
  encode(this: void, message: Partial<Message>): Uint8Array;
  decode(this: void, body: Uint8Array): Message;
}

interface DecodeFailure {
  /** How the error calls the message; its name unless told otherwise. */
  readonly what?: string;
  /** `DECODE_FRAME` unless told otherwise. */
  readonly code?: ErrorCode;
}

/**
 * Takes the encoded bytes out of a writer, into an ArrayBuffer of their own: Node's are slices of a shared
 * pool.
 */
export function takeBytes(writer: Writer): Uint8Array {
  return writer.finishInto(new Uint8Array(writer.pos));
}

/** Runs a decoder; whatever it throws becomes the cause of a {@link BrokerPoolError} with the given code. */
export function decoding<Result>(what: string, code: ErrorCode, decode: () => Result): Result {
  try {
    return decode();
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new BrokerPoolError(code, `failed to decode ${what}: ${problem}`, { cause });
  }
}

/**
 * Makes the codec of a message from the kind of each of its fields.
 *
 * Fields missing from a message to encode stand for their defaults. The generated code does the rest:
 * ascending field order, defaults left out (W-20), unknown fields skipped (W-22), strings checked to be UTF-8
 * and nesting limited to 100 levels (W-25).
 */
export function defineMessage<Message extends object, Name extends MessageName>(
  name: Name,
  fields: Fields<Message, Name>,
  failure?: DecodeFailure,
): Codec<Message, Wire<Name>>;
// The implementation does not depend on which message it is.
export function defineMessage(
  name: MessageName,
  fields: Readonly<Record<string, Field<unknown, unknown>>>,
  { what = name, code = 'DECODE_FRAME' }: DecodeFailure = {},
): Codec<object, object> {
  const source: { encode(message: object): Writer; decode(body: Uint8Array): object } = broker[name];
  const kinds = Object.entries(fields);

  function toWire(message: object, where: string = name): object {
    const wire: Record<string, unknown> = {};
    for (const [key, kind] of kinds) {
      const value: unknown = Reflect.get(message, key);
      if (value !== undefined) wire[key] = kind.toWire(value, `${where}.${key}`);
    }
    return wire;
  }

  function fromWire(wire: object): object {
    const message: Record<string, unknown> = {};
    for (const [key, kind] of kinds) {
      const value = kind.fromWire(Reflect.get(wire, key));
      if (value !== undefined) message[key] = value;
    }
    return message;
  }

  const write = (message: object): Writer => source.encode(toWire(message));
  return {
    toWire,
    fromWire,
    write,
    encode: (message) => takeBytes(write(message)),
    decode: (body) => decoding(what, code, () => fromWire(source.decode(body))),
  };
}

/** A field that holds another message, absent or whole. */
export function nested<Message, WireMessage>(
  codec: Codec<Message, WireMessage>,
): Field<Message | undefined, WireMessage | undefined> {
  return {
    toWire: (value, where) => (value === undefined ? undefined : codec.toWire(value, where)),
    fromWire: (wire) => (wire === null || wire === undefined ? undefined : codec.fromWire(wire)),
  };
}
