import * as fc from 'fast-check';
import { FrameReader } from '../../../src/frames/codec/frame-reader.js';
import { uint64, type FrameView } from '../../../src/frames/codec/frame-view.js';
import { FrameWriter, type OutgoingFrame } from '../../../src/frames/codec/frame-writer.js';
import type { Frame } from '../../../src/wire/messages.js';
import { anyText } from '../../helpers/any-text.js';

/** Frames as the sender gives them to the writer, on the wire. */
export function encoded(...frames: readonly OutgoingFrame[]): Buffer {
  const writer = new FrameWriter();
  for (const frame of frames) writer.add(frame);
  return Buffer.concat(writer.take());
}

/** All frames that the pieces hold. Each piece is read to its end before the next one comes. */
export function decoded(...pieces: readonly Uint8Array[]): FrameView[] {
  const reader = new FrameReader();
  return pieces.flatMap((piece) => {
    reader.push(piece);
    return readAll(reader);
  });
}

/** All complete frames. */
export function readAll(reader: FrameReader): FrameView[] {
  const frames: FrameView[] = [];
  for (let frame = reader.read(); frame !== undefined; frame = reader.read()) frames.push(frame);
  return frames;
}

/** A frame of the generic codec as the reader gives it; the payload as a plain array of bytes. */
export function viewOf({ requestId, deadlineUnixMs, payload, ...fields }: Frame): FrameView {
  return {
    ...fields,
    payload: new Uint8Array(payload),
    requestId: uint64(requestId),
    deadlineUnixMs: uint64(deadlineUnixMs),
  };
}

/** A frame with its payload as a plain array of bytes, for comparing. */
export function plain(frame: FrameView): FrameView {
  return { ...frame, payload: new Uint8Array(frame.payload) };
}

const u32 = fc.oneof(fc.integer({ min: 0, max: 0xffff_ffff }), fc.constantFrom(0, 1, 127, 128, 0x7a63));
const u64 = fc.oneof(
  fc.bigInt(0n, 2n ** 64n - 1n),
  fc.bigInt(0n, 2n ** 54n),
  fc.constantFrom(0n, 1n, 127n, 128n, 2n ** 49n - 1n, 2n ** 49n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 64n - 1n),
);
const openEnum = fc.oneof(fc.integer({ min: 0, max: 4 }), fc.integer());
const text = anyText(60);

/** Frames of all kinds, as the generic codec takes them; some payloads are long enough to be lent. */
export const anyFrame: fc.Arbitrary<Frame> = fc.record(
  {
    envelopeVersion: u32,
    kind: openEnum,
    payloadProtocol: u32,
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.uint8Array({ minLength: 4_090, maxLength: 4_100 }),
    ),
    requestId: u64,
    payloadEncoding: openEnum,
    deadlineUnixMs: u64,
    traceparent: text,
    tracestate: text,
  },
  { noNullPrototype: true },
);

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...varint(Math.floor(value / 0x80))];
}

/** Fields of any number and wire type, well-formed or nearly so: what a later protocol or a broken peer sends. */
export const fieldSoup: fc.Arbitrary<Uint8Array> = fc
  .array(
    fc.oneof(
      fc
        .record({
          field: fc.oneof(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 13, max: 2 ** 29 - 1 })),
          wireType: fc.integer({ min: 0, max: 7 }),
          value: fc.uint8Array({ maxLength: 12 }),
          isWhole: fc.boolean(),
        })
        .map(({ field, wireType, value, isWhole }) => [
          ...varint(field * 8 + wireType),
          ...(wireType === 2 && isWhole ? [value.length] : []),
          ...value.map((byte, index) => (wireType === 0 && index < value.length - 1 ? byte | 0x80 : byte)),
        ]),
      fc
        .record({ field: fc.constantFrom(4, 8, 9, 10, 99), value: fc.uint8Array({ maxLength: 12 }) })
        .map(({ field, value }) => [...varint(field * 8 + 2), value.length, ...value]),
      fc
        .record({ field: fc.constantFrom(1, 2, 3, 5, 6, 7, 10, 99), value: u64 })
        .map(({ field, value }) => [...varint(field * 8), ...varint(Number(value % 2n ** 53n))]),
    ),
    { maxLength: 6 },
  )
  .map((fields) => Uint8Array.from(fields.flat()));
