import { isUint8Array } from 'node:util/types';
import { invalidArgument } from '../errors.js';
import { copyOf } from './bytes.js';

/**
 * How values of one protobuf type pass between our messages and the generated code. `toWire` throws
 * `INVALID_ARGUMENT`, naming the field as `where`, for what the generated code would silently bend to fit.
 */
export interface Field<Value, Wire> {
  toWire(value: Value, where: string): Wire;
  /** `undefined` only where an absent field is to be left out of the decoded message. */
  fromWire(wire: Wire | null | undefined): Value | undefined;
}

/**
 * A 64-bit number as protobufjs holds it; a plain number where a program has taken `long` away from
 * protobufjs.
 */
export type WireU64 = number | { low: number; high: number; unsigned: boolean };

const MAX_U32 = 0xffff_ffff;
const MAX_U64 = 0xffff_ffff_ffff_ffffn;
const NOTHING = new Uint8Array(0);
const LONE_SURROGATE = /\p{Surrogate}/u;

/** uint32 as a number. */
export const u32: Field<number, number> = {
  toWire(value, where) {
    if (Number.isInteger(value) && value >= 0 && value <= MAX_U32) return value;
    throw invalidArgument(where, `must be an integer from 0 to ${MAX_U32}, not ${String(value)}`);
  },
  fromWire: (wire) => wire ?? 0,
};

/** uint64 as a bigint. */
export const u64: Field<bigint, WireU64> = {
  toWire(value, where) {
    if (typeof value !== 'bigint' || value < 0n || value > MAX_U64) {
      throw invalidArgument(where, `must be a bigint from 0 to ${MAX_U64}, not ${String(value)}`);
    }
    return { low: Number(value & 0xffff_ffffn) | 0, high: Number(value >> 32n) | 0, unsigned: true };
  },
  fromWire(wire) {
    if (typeof wire === 'object' && wire !== null) {
      return (BigInt(wire.high >>> 0) << 32n) | BigInt(wire.low >>> 0);
    }
    const value = wire ?? 0;
    if (!Number.isSafeInteger(value))
      throw new RangeError(`64-bit number ${value} was rounded by protobufjs`);
    return BigInt(value);
  },
};

/** An enum as its number. It is open (W-23): numbers unknown to us pass in both directions. */
export const openEnum: Field<number, number> = {
  toWire(value, where) {
    if (Number.isInteger(value) && (value | 0) === value) return value;
    throw invalidArgument(where, `must be a 32-bit integer, not ${String(value)}`);
  },
  fromWire: (wire) => wire ?? 0,
};

/** bool. */
export const flag: Field<boolean, boolean> = {
  toWire(value, where) {
    if (typeof value === 'boolean') return value;
    throw invalidArgument(where, `must be a boolean, not ${String(value)}`);
  },
  fromWire: (wire) => wire ?? false,
};

/**
 * string. Half a surrogate pair has no UTF-8 form, and a peer would reject the whole message for it (W-25).
 */
export const text: Field<string, string> = {
  toWire(value, where) {
    if (typeof value !== 'string') throw invalidArgument(where, `must be a string, not ${String(value)}`);
    if (LONE_SURROGATE.test(value)) throw invalidArgument(where, 'must be well-formed Unicode');
    return value;
  },
  fromWire: (wire) => wire ?? '',
};

/** bytes. What is decoded is a copy: protobufjs gives a view that would keep the whole frame alive. */
export const bytes: Field<Uint8Array, Uint8Array> = {
  toWire(value, where) {
    if (isUint8Array(value)) return value;
    throw invalidArgument(where, `must be a Uint8Array, not ${String(value)}`);
  },
  fromWire: (wire) => copyOf(wire ?? NOTHING),
};

/** repeated string. */
export const texts: Field<readonly string[], string[]> = {
  toWire(value, where) {
    if (!Array.isArray(value)) throw invalidArgument(where, `must be an array, not ${String(value)}`);
    return value.map((item: string, index) => text.toWire(item, `${where}[${index}]`));
  },
  fromWire: (wire) => wire ?? [],
};

/** map<string, string>, in which any key, `__proto__` too, is nothing but a key. */
export const textMap: Field<Readonly<Record<string, string>>, Record<string, string>> = {
  toWire(value, where) {
    if (typeof value !== 'object' || value === null) {
      throw invalidArgument(where, `must be an object, not ${String(value)}`);
    }
    const entries = Object.entries(value);
    return Object.fromEntries(
      entries.map(([key, item]) => [
        text.toWire(key, `a key of ${where}`),
        text.toWire(item, `${where}.${key}`),
      ]),
    );
  },
  fromWire: (wire) => Object.fromEntries(Object.entries(wire ?? {})),
};

/**
 * A field with explicit presence (W-21): absent in the message when absent on the wire, whatever its default.
 */
export function optional<Value, Wire>(field: Field<Value, Wire>): Field<Value | undefined, Wire | undefined> {
  return {
    toWire: (value, where) => (value === undefined ? undefined : field.toWire(value, where)),
    fromWire: (wire) => (wire === null || wire === undefined ? undefined : field.fromWire(wire)),
  };
}
