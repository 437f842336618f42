/**
 * Streams that a hostile broker may send: valid conversations, bent at the level of messages, of frames and
 * of bytes.
 */
import * as fc from 'fast-check';
import { encodeTree, messages, messagesIn, TOKEN, type TreeField } from './message-tree.js';
import type { Mode } from './oracle.js';

/** A broker's bytes in one connection, and the pieces in which they arrive. */
export interface HostileStream {
  readonly mode: Mode;
  readonly stream: Uint8Array;
  /** Where it is cut into pieces. */
  readonly places: readonly number[];
  /** How many frames went into it. */
  readonly frames: number;
}

const OTHER_TOKEN = TOKEN.map((byte) => byte ^ 0xff);

/** Names of backends, some of which no system can dial. */
const PIPES = [
  'backend.sock',
  './backend.sock',
  '/',
  '/a\0b',
  '\0',
  '\0backend',
  '..\\backend',
  '\\\\.\\pipe\\backend',
  '/'.padEnd(103, 'x'),
  '/'.padEnd(104, 'x'),
  '/'.padEnd(107, 'x'),
  '/'.padEnd(108, 'x'),
  '/'.padEnd(106, 'x').concat('é'),
  '\0'.padEnd(108, 'x'),
  '\0'.padEnd(109, 'x'),
  '/'.padEnd(100_000, 'x'),
];

/** Valid and invalid orders of valid frames. */
const CONVERSATIONS: readonly (() => TreeField[][])[] = [
  () => [messages.negotiated()],
  () => [messages.negotiated(), messages.ready()],
  () => [messages.negotiated(), messages.ready(), messages.ready()],
  () => [messages.negotiated(''), messages.ready()],
  () => [messages.negotiated('')],
  () => [messages.negotiated(undefined, new Uint8Array(0)), messages.ready(new Uint8Array(0))],
  () => [messages.negotiated(undefined, TOKEN, 2n), messages.ready()],
  () => [messages.negotiated(), messages.ready(OTHER_TOKEN)],
  () => [messages.negotiated(), messages.ready(TOKEN.subarray(0, 15))],
  () => [messages.negotiated(), messages.ready(Buffer.concat([TOKEN, TOKEN]))],
  () => [messages.negotiated(), messages.ready(new Uint8Array(0))],
  () => [messages.negotiated(undefined, TOKEN.subarray(0, 1)), messages.ready(TOKEN.subarray(0, 1))],
  () => [messages.negotiated(), messages.ready(TOKEN, 0n)],
  () => [messages.negotiated(), messages.ready(OTHER_TOKEN, 0n)],
  () => [messages.negotiated(), messages.ready(TOKEN, 1n, 77n)],
  () => [messages.negotiated(), messages.negotiated()],
  () => [messages.ready()],
  () => [messages.ready(), messages.negotiated()],
  () => [messages.refused(4n)],
  () => [messages.refused(99n), messages.negotiated()],
  () => [messages.noResult()],
  () => [messages.admin()],
  () => [messages.admin(), messages.admin()],
  () => [messages.negotiated(), messages.admin(), messages.ready()],
];
const NAMINGS = PIPES.flatMap((pipe) => [
  () => [messages.negotiated(pipe)],
  () => [messages.negotiated(pipe), messages.ready()],
]);

const BENDS = [
  'drop',
  'repeat',
  'move',
  'renumber',
  'retype',
  'setNumber',
  'setBytes',
  'breakText',
  'pad',
  'lieAboutLength',
  'insert',
  'wrapInGroup',
  'openGroup',
  'deepen',
  'clear',
  'version',
  'length',
  'truncate',
  'append',
  'swapFrames',
  'repeatFrame',
  'dropFrame',
  'emptyFrame',
  'changeByte',
  'insertByte',
  'deleteByte',
] as const;

interface Bend {
  readonly how: (typeof BENDS)[number];
  /**
   * Which frame, which message in it, which field in that, and a place among bytes: each modulo what there
   * is.
   */
  readonly where: readonly [frame: number, message: number, field: number, place: number];
  readonly number: bigint;
  readonly bytes: Uint8Array;
}

const EDGES: readonly bigint[] = [
  0n,
  1n,
  2n,
  3n,
  4n,
  9n,
  10n,
  127n,
  128n,
  0xad01n,
  0xd0ffn,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  0x1_0000_0001n,
  0x7fff_ffff_ffff_ffffn,
  0xffff_ffff_ffff_ffffn,
];

const anyBend: fc.Arbitrary<Bend> = fc.record({
  how: fc.constantFrom(...BENDS),
  where: fc.tuple(fc.nat(3), fc.nat(5), fc.nat(9), fc.nat(300)),
  number: fc.oneof(fc.constantFrom(...EDGES), fc.nat(0xffff_ffff).map(BigInt)),
  bytes: fc.uint8Array({ maxLength: 24 }),
});

const anyStart = fc.oneof(
  { weight: 7, arbitrary: fc.constantFrom(...CONVERSATIONS) },
  { weight: 1, arbitrary: fc.constantFrom(...NAMINGS) },
);

const anyConversation = fc
  .record({
    start: anyStart,
    bends: fc.array(anyBend, { maxLength: 4 }),
    backendSays: fc.uint8Array({ maxLength: 12 }),
  })
  .map(({ start, bends, backendSays }) => bent(start(), bends, backendSays));

/** Noise, bare or in a sound frame. */
const anyNoise = fc
  .record({ bytes: fc.uint8Array({ maxLength: 60 }), framed: fc.boolean() })
  .map(({ bytes, framed }) => ({ stream: framed ? frame(bytes) : bytes, frames: 1 }));

export const anyHostileStream: fc.Arbitrary<HostileStream> = fc
  .record({
    mode: fc.constantFrom<Mode>('reconnecting', 'adopting', 'adopting', 'admin'),
    sent: fc.oneof({ weight: 19, arbitrary: anyConversation }, { weight: 1, arbitrary: anyNoise }),
    places: fc.array(fc.nat(400), { maxLength: 6 }),
  })
  .map(({ mode, sent, places }) => ({ mode, places, ...sent }));

const HEADER_BYTES = 5;

export function frame(body: Uint8Array, length = body.length): Uint8Array {
  const wire = Buffer.alloc(HEADER_BYTES + body.length);
  wire[0] = 1;
  wire.writeUInt32LE(length, 1);
  wire.set(body, HEADER_BYTES);
  return wire;
}

/** Bends the messages first, then the frames made of them. */
function bent(
  trees: TreeField[][],
  bends: readonly Bend[],
  behind: Uint8Array,
): { stream: Uint8Array; frames: number } {
  for (const bend of bends) bendTree(trees, bend);
  const wires = trees.map((tree) => frame(encodeTree(tree)));
  for (const bend of bends) bendFrames(wires, bend);
  const stream = bends.reduce(bendBytes, Buffer.concat([...wires, behind]));
  return { stream, frames: Math.max(1, wires.length) };
}

function bendTree(
  trees: readonly TreeField[][],
  { how, where: [whichFrame, whichMessage, whichField], number, bytes }: Bend,
): void {
  const tree = trees[whichFrame % trees.length];
  if (tree === undefined) return;
  const all = messagesIn(tree);
  const message = all[whichMessage % all.length] ?? tree;
  const index = whichField % Math.max(1, message.length);
  const field = message[index];
  switch (how) {
    case 'insert':
      message.splice(index, 0, { number: Number(number % 40n), value: bytes });
      return;
    case 'openGroup':
      message.splice(index, 0, { number: 17, wireType: number % 2n === 0n ? 3 : 4, value: null });
      return;
    case 'deepen':
      message.splice(index, 0, ...nestedGroups(95 + Number(number % 12n)));
      return;
    case 'clear':
      message.length = 0;
      return;
    default:
      if (field !== undefined) bendField(message, index, field, how, number, bytes);
  }
}

function bendField(
  message: TreeField[],
  index: number,
  field: TreeField,
  how: Bend['how'],
  number: bigint,
  bytes: Uint8Array,
): void {
  switch (how) {
    case 'drop':
      message.splice(index, 1);
      break;
    case 'repeat':
      message.push(
        Array.isArray(field.value) ? { ...field, value: structuredClone(field.value) } : { ...field },
      );
      break;
    case 'move':
      message.push(...message.splice(index, 1));
      break;
    case 'renumber':
      field.number = Number(number % 0x2000_0000n);
      break;
    case 'retype':
      field.wireType = Number(number % 8n);
      break;
    case 'setNumber':
      field.value = number;
      break;
    case 'setBytes':
      field.value = bytes;
      break;
    case 'breakText':
      field.value = Buffer.concat([bytes, Uint8Array.of(0xc3)]);
      break;
    case 'pad':
      field.padding = Number(number % 11n);
      break;
    case 'lieAboutLength':
      field.lengthDelta = Number(BigInt.asIntN(32, number));
      break;
    case 'wrapInGroup':
      message.splice(index, 1, ...groupOf(field));
      break;
    default:
  }
}

/** A group is a start mark, its fields, and an end mark. */
function groupOf(field: TreeField): TreeField[] {
  return [mark(18, 3), field, mark(18, 4)];
}

function nestedGroups(depth: number): TreeField[] {
  return [
    ...Array.from({ length: depth }, () => mark(19, 3)),
    ...Array.from({ length: depth }, () => mark(19, 4)),
  ];
}

function mark(number: number, wireType: number): TreeField {
  return { number, wireType, value: null };
}

function bendFrames(wires: Uint8Array[], { how, where: [whichFrame, , , place], number, bytes }: Bend): void {
  const index = whichFrame % Math.max(1, wires.length);
  const wire = wires[index];
  if (wire === undefined) return;
  switch (how) {
    case 'version':
      wire[0] = Number(number & 0xffn);
      break;
    case 'length':
      new DataView(wire.buffer, wire.byteOffset).setUint32(1, Number(BigInt.asUintN(32, number)), true);
      break;
    case 'truncate':
      wires[index] = wire.subarray(0, place % wire.length);
      break;
    case 'append':
      wires[index] = Buffer.concat([wire, bytes]);
      break;
    case 'swapFrames':
      wires.push(...wires.splice(index, 1));
      break;
    case 'repeatFrame':
      wires.push(wire);
      break;
    case 'dropFrame':
      wires.splice(index, 1);
      break;
    case 'emptyFrame':
      wires.splice(index, 0, frame(new Uint8Array(0)));
      break;
    default:
  }
}

function bendBytes(
  stream: Buffer<ArrayBuffer>,
  { how, where: [, , , place], number }: Bend,
): Buffer<ArrayBuffer> {
  if (stream.length === 0) return stream;
  const at = place % stream.length;
  const byte = Uint8Array.of(Number(number & 0xffn));
  switch (how) {
    case 'changeByte':
      return Buffer.concat([stream.subarray(0, at), byte, stream.subarray(at + 1)]);
    case 'insertByte':
      return Buffer.concat([stream.subarray(0, at), byte, stream.subarray(at)]);
    case 'deleteByte':
      return Buffer.concat([stream.subarray(0, at), stream.subarray(at + 1)]);
    default:
      return stream;
  }
}
