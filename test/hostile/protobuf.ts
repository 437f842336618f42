/**
 * Protobuf's wire format from its specification, without the package's own library: the tests compare the two
 * decoders on hostile bytes.
 */

/** Field values as they lie on the wire: a number for varints, bytes for the rest. */
export interface WireField {
  readonly number: number;
  readonly wireType: number;
  readonly varint: bigint;
  /**
   * A varint of more than ten bytes. As a known field it is malformed; protobufjs skips it where it does not
   * know the field, which does no harm.
   */
  readonly overlong: boolean;
  readonly bytes: Uint8Array;
}

/** Bytes that no decoder may accept. */
export class Malformed extends Error {}

const LONGEST_VARINT_BYTES = 10;
/** Keys and lengths are 32 bits wide, so five bytes at most. */
const LONGEST_NARROW_BYTES = 5;
const DEEPEST_NESTING = 100;
const NOTHING: Uint8Array = new Uint8Array(0);

/** Splits a message into its fields; groups, which no message of ours has, are checked and left out. */
export function wireFields(message: Uint8Array, depth = 0): WireField[] {
  const fields: WireField[] = [];
  let at = 0;
  while (at < message.length) {
    const read = readField(message, at, depth);
    if (read.field.wireType !== GROUP_START) fields.push(read.field);
    at = read.end;
  }
  return fields;
}

const GROUP_START = 3;
const GROUP_END = 4;

interface Read<Value> {
  readonly value: Value;
  readonly end: number;
}

function readVarint(bytes: Uint8Array, start: number, longestBytes = LONGEST_VARINT_BYTES): Read<bigint> {
  let value = 0n;
  for (let index = 0; index < longestBytes; index++) {
    const byte = bytes[start + index];
    if (byte === undefined) throw new Malformed('varint ends early');
    value |= BigInt(byte & 0x7f) << BigInt(7 * index);
    if (byte < 0x80) return { value: BigInt.asUintN(64, value), end: start + index + 1 };
  }
  throw new Malformed('varint too long');
}

function varintBytes(bytes: Uint8Array, start: number): number {
  const last = bytes.subarray(start).findIndex((byte) => byte < 0x80);
  if (last < 0) throw new Malformed('varint ends early');
  return last + 1;
}

function readNarrow(bytes: Uint8Array, start: number): Read<number> {
  const { value, end } = readVarint(bytes, start, LONGEST_NARROW_BYTES);
  if (value > 0xffff_ffffn) throw new Malformed('more than 32 bits');
  return { value: Number(value), end };
}

function readField(message: Uint8Array, start: number, depth: number): { field: WireField; end: number } {
  if (depth > DEEPEST_NESTING) throw new Malformed('nested too deeply');
  const key = readNarrow(message, start);
  const number = key.value >>> 3;
  const wireType = key.value & 7;
  if (number === 0) throw new Malformed('field number 0');
  const field = (end: number, content: Partial<WireField> = {}) => ({
    field: { number, wireType, varint: 0n, overlong: false, bytes: NOTHING, ...content },
    end,
  });
  switch (wireType) {
    case 0: {
      const length = varintBytes(message, key.end);
      if (length > LONGEST_VARINT_BYTES) return field(key.end + length, { overlong: true });
      return field(key.end + length, { varint: readVarint(message, key.end).value });
    }
    case 1:
      return field(within(message, key.end + 8));
    case 2: {
      const { value: length, end } = readNarrow(message, key.end);
      const last = within(message, end + length);
      return field(last, { bytes: message.subarray(end, last) });
    }
    case GROUP_START:
      return field(skipGroup(message, key.end, number, depth + 1));
    case 5:
      return field(within(message, key.end + 4));
    default:
      throw new Malformed(`wire type ${wireType}`);
  }
}

function within(message: Uint8Array, end: number): number {
  if (end > message.length) throw new Malformed('field ends behind its message');
  return end;
}

function skipGroup(message: Uint8Array, start: number, number: number, depth: number): number {
  let at = start;
  for (;;) {
    const key = readNarrow(message, at);
    if ((key.value & 7) === GROUP_END) {
      if (key.value >>> 3 !== number) throw new Malformed('end of another group');
      return key.end;
    }
    at = readField(message, at, depth).end;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A string field's text. */
export function textOf({ bytes }: WireField): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new Malformed('not UTF-8');
  }
}

/** Writes a varint, with `padding` needless bytes that say nothing. */
export function varint(value: bigint, padding = 0): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  } while (rest > 0n);
  for (let index = 0; index < padding; index++) bytes.push(0x80);
  const last = bytes.length - 1;
  bytes[last] = (bytes[last] ?? 0) & 0x7f;
  return bytes;
}
