import { varint } from './protobuf.js';
import { endpointIn } from '../helpers/endpoints.js';

/** A protobuf field that can be written wrongly in every way. */
export interface TreeField {
  number: number;
  /** `null`: a key with nothing behind it, as the marks of a group are. */
  value: bigint | Uint8Array | TreeField[] | null;
  /** Instead of the one that suits the value. */
  wireType?: number;
  /** Needless bytes in varints. */
  padding?: number;
  /** Added to the length that is announced. */
  lengthDelta?: number;
}

const VARINT = 0;
const DELIMITED = 2;
const GROUP_START = 3;

export function encodeTree(fields: readonly TreeField[]): Uint8Array {
  return Buffer.concat(fields.map(encodeField));
}

function encodeField({ number, value, wireType, padding = 0, lengthDelta = 0 }: TreeField): Uint8Array {
  const key = (type: number): number[] => varint((BigInt(number) << 3n) | BigInt(wireType ?? type));
  if (value === null) return Uint8Array.from(key(GROUP_START));
  if (typeof value === 'bigint') return Uint8Array.from([...key(VARINT), ...varint(value, padding)]);
  const content = value instanceof Uint8Array ? value : encodeTree(value);
  const length = BigInt(Math.max(0, content.length + lengthDelta));
  return Buffer.concat([Uint8Array.from([...key(DELIMITED), ...varint(length, padding)]), content]);
}

/** Every message in a tree, the outermost first. */
export function messagesIn(fields: TreeField[]): TreeField[][] {
  return [fields, ...fields.flatMap(({ value }) => (Array.isArray(value) ? messagesIn(value) : []))];
}

export function frameOf(kind: bigint, protocol: bigint, payload: TreeField[]): TreeField[] {
  return [
    { number: 1, value: 1n },
    { number: 2, value: kind },
    { number: 3, value: protocol },
    { number: 4, value: payload },
    { number: 5, value: 1n },
  ];
}

const text = (value: string): Uint8Array => Buffer.from(value);

export const TOKEN = Uint8Array.from({ length: 16 }, (_, index) => index * 7 + 1);
export const PIPE = endpointIn('/run/user/1000', 'backend');

const RESPONSE = 1n;
const EVENT = 2n;
const CONTROL = 0n;
const ADMIN = 0xad01n;
const HANDOFF = 0xd0ffn;

/** The messages that a broker may send, as trees; each call makes new ones. */
export const messages = {
  negotiated: (pipe = PIPE, token: Uint8Array = TOKEN, capabilities = 1n): TreeField[] =>
    frameOf(RESPONSE, CONTROL, [
      {
        number: 1,
        value: [
          { number: 1, value: 1n },
          { number: 2, value: text('1.2.3') },
          { number: 3, value: text(pipe) },
          { number: 4, value: text('a warning') },
          { number: 5, value: capabilities },
          { number: 6, value: 30n },
          { number: 7, value: token },
          { number: 8, value: 1n },
        ],
      },
    ]),
  refused: (code: bigint): TreeField[] =>
    frameOf(RESPONSE, CONTROL, [
      {
        number: 2,
        value: [
          { number: 1, value: text('not now') },
          { number: 4, value: code },
          {
            number: 5,
            value: [
              { number: 1, value: text('key') },
              { number: 2, value: text('value') },
            ],
          },
          { number: 6, value: 250n },
        ],
      },
    ]),
  noResult: (): TreeField[] => frameOf(RESPONSE, CONTROL, []),
  ready: (token: Uint8Array = TOKEN, accepted = 1n, correlation = 1n): TreeField[] =>
    frameOf(EVENT, HANDOFF, [
      { number: 1, value: token },
      { number: 2, value: accepted },
      { number: 3, value: text('detail') },
      { number: 4, value: correlation },
    ]),
  admin: (): TreeField[] =>
    frameOf(RESPONSE, ADMIN, [
      { number: 1, value: 1n },
      { number: 2, value: text('{"ok":true}') },
      { number: 3, value: 2n },
      { number: 4, value: text('application/json') },
    ]),
} as const;
