import { deepStrictEqual, throws } from 'node:assert/strict';
import type { ExecutionContext } from 'ava';
import test from '../helpers/sanitary.js';
import * as fc from 'fast-check';
import { encodeFrame, FrameDecoder } from '../../src/wire/frame.js';
import { goldenVectors } from './golden.js';
import { fromHex, toHex } from './hex.js';

const frames = goldenVectors.frames.map(({ name, bodyHex, wireHex }) => ({
  name,
  body: fromHex(bodyHex),
  wire: fromHex(wireHex),
}));

/** Pushes the pieces one after another and reads all it can after each. */
function readAll(pieces: Iterable<Uint8Array>, decoder: FrameDecoder = new FrameDecoder()): Uint8Array[] {
  const bodies: Uint8Array[] = [];
  for (const piece of pieces) {
    decoder.push(piece);
    for (let body = decoder.read(); body !== undefined; body = decoder.read()) bodies.push(body);
  }
  return bodies;
}

function* singleBytes(bytes: Uint8Array): Generator<Uint8Array> {
  for (let position = 0; position < bytes.length; position++) yield bytes.subarray(position, position + 1);
}

/** Cuts bytes at the given places, which need be neither sorted nor in range. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

function readsAs(t: ExecutionContext, pieces: Iterable<Uint8Array>, ...bodies: Uint8Array[]): void {
  t.deepEqual(readAll(pieces).map(toHex), bodies.map(toHex));
}

for (const { name, body, wire } of frames) {
  test(`${name}: framing the body gives the golden bytes (W-01)`, (t) => {
    t.is(toHex(encodeFrame(body)), toHex(wire));
  });

  test(`${name}: read in one piece, byte by byte, and in any two pieces (W-13)`, (t) => {
    readsAs(t, [wire], body);
    readsAs(t, singleBytes(wire), body);
    for (let place = 0; place <= wire.length; place++) readsAs(t, cut(wire, [place]), body);
  });

  test(`${name}: in any three pieces around the header`, (t) => {
    const places = Array.from({ length: Math.min(wire.length, 8) + 1 }, (_, place) => place);
    for (const first of places) for (const second of places) readsAs(t, cut(wire, [first, second]), body);
  });

  test(`${name}: cut short anywhere, it is not a frame yet and the end is unexpected (W-10, W-13)`, (t) => {
    for (let length = 0; length < wire.length; length++) {
      const decoder = new FrameDecoder();
      t.deepEqual(readAll(singleBytes(wire.subarray(0, length)), decoder), []);
      const context = length === 0 ? 'framing byte' : length < 5 ? 'body length header' : 'frame body';
      t.is(decoder.endOfInput().message, `unexpected EOF while reading frame (${context})`);
      t.is(toHex(decoder.residue()), toHex(wire.subarray(0, length)));
    }
  });

  test(`${name}: bytes behind it stay behind, wherever the pieces are cut (C-47)`, (t) => {
    const behind = fromHex('0047455420');
    const stream = Buffer.concat([wire, behind]);
    for (let place = 0; place <= stream.length; place++) {
      const decoder = new FrameDecoder();
      const bodies: Uint8Array[] = [];
      for (const piece of cut(stream, [place])) {
        decoder.push(piece);
        // The decoder returns one frame per read, not the bytes behind it.
        const read = bodies.length === 0 ? decoder.read() : undefined;
        if (read !== undefined) bodies.push(read);
      }
      t.deepEqual(bodies.map(toHex), [toHex(body)]);
      t.is(toHex(decoder.residue()), toHex(behind));
    }
  });

  test(`${name}: refused by a cap below its length, read with a cap equal to it (W-07)`, (t) => {
    if (body.length > 0) {
      const strict = new FrameDecoder(body.length - 1);
      t.throws(() => readAll(singleBytes(wire), strict), { code: 'FRAME_TOO_LARGE' });
      t.is(toHex(strict.residue()), toHex(wire.subarray(0, 5)), 'no byte of the body was taken');
    }
    t.deepEqual(readAll([wire], new FrameDecoder(body.length)).map(toHex), [toHex(body)]);
  });
}

const stream = Buffer.concat(frames.map(({ wire }) => wire));
const bodies = frames.map(({ body }) => body);

test('a decoder reads all golden frames in one piece and byte by byte (W-04)', (t) => {
  readsAs(t, [stream], ...bodies);
  readsAs(t, singleBytes(stream), ...bodies);
});

test('a decoder reads all golden frames in any two pieces (W-04)', (t) => {
  for (let place = 0; place <= stream.length; place++) readsAs(t, cut(stream, [place]), ...bodies);
});

test('a decoder returns any frames in any pieces unchanged', (t) => {
  const anyBodies = fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 6 });
  t.notThrows(() => {
    fc.assert(
      fc.property(anyBodies, fc.array(fc.nat(4000), { maxLength: 30 }), (written, places) => {
        deepStrictEqual(readAll(cut(Buffer.concat(written.map(encodeFrame)), places)), written);
      }),
    );
  });
});

test('a decoder that is read less often than pushed loses and reorders no frame', (t) => {
  const anyBodies = fc.array(fc.uint8Array({ maxLength: 100 }), { minLength: 1, maxLength: 12 });
  const steps = fc.array(fc.record({ place: fc.nat(1500), reads: fc.nat(3) }), { maxLength: 20 });
  t.notThrows(() => {
    fc.assert(
      fc.property(anyBodies, steps, (written, plan) => {
        const decoder = new FrameDecoder();
        const read: Uint8Array[] = [];
        const readUpTo = (count: number): void => {
          for (let done = 0; done < count; done++) {
            const body = decoder.read();
            if (body === undefined) return;
            read.push(body);
          }
        };
        const wire = Buffer.concat(written.map(encodeFrame));
        for (const [index, piece] of cut(
          wire,
          plan.map(({ place }) => place),
        ).entries()) {
          decoder.push(piece);
          readUpTo(plan[index]?.reads ?? 0);
        }
        readUpTo(Infinity);
        deepStrictEqual(read, written);
      }),
    );
  });
});

test('a decoder fails at the same frame in any pieces, and returns the frames before it', (t) => {
  const anyBodies = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 4 });
  const ends = fc.constantFrom(fromHex('02'), fromHex('0101000001'), fromHex('00ffffffffff'));
  t.notThrows(() => {
    fc.assert(
      fc.property(anyBodies, ends, fc.array(fc.nat(400), { maxLength: 10 }), (written, end, places) => {
        const decoder = new FrameDecoder();
        const read: Uint8Array[] = [];
        throws(() => {
          for (const piece of cut(Buffer.concat([...written.map(encodeFrame), end]), places)) {
            decoder.push(piece);
            for (let body = decoder.read(); body !== undefined; body = decoder.read()) read.push(body);
          }
        }, /unsupported framing version|frame body too large/);
        deepStrictEqual(read, written);
      }),
    );
  });
});
