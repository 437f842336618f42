import { deepStrictEqual } from 'node:assert/strict';
import * as fc from 'fast-check';
import { decodeFrameBody } from '../../../src/frames/codec/decode-body.js';
import { FrameReader } from '../../../src/frames/codec/frame-reader.js';
import { lentPayload, uint64, type FrameView } from '../../../src/frames/codec/frame-view.js';
import { decodeFrame, encodeFrameToWire, type Frame } from '../../../src/wire/messages.js';
import { cut } from '../../helpers/pieces.js';
import test from '../../helpers/sanitary.js';
import { goldenVectors, messageFromGolden } from '../../wire/golden.js';
import { fromHex } from '../../wire/hex.js';
import { anyFrame, decoded, encoded, fieldSoup, plain, readAll, viewOf } from './kit.js';

/** The frame, or the code of the error. */
function outcome(decode: () => FrameView): FrameView | string {
  try {
    return plain(decode());
  } catch (error) {
    if (error instanceof Error && 'code' in error) return String(error.code);
    throw error;
  }
}

test('the writer writes the bytes of the generated code', (t) => {
  t.notThrows(() => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 4 }), (frames) => {
        const wire = encoded(...frames.map(viewOf));
        deepStrictEqual(wire, Buffer.concat(frames.map(encodeFrameToWire)));
      }),
    );
  });
});

test('the reader reads what the generated code wrote, however it is cut into pieces (S-67)', (t) => {
  t.notThrows(() => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 4 }), fc.array(fc.nat()), (frames, places) => {
        const wire = Buffer.concat(frames.map(encodeFrameToWire));
        deepStrictEqual(decoded(...cut(wire, places)).map(plain), frames.map(viewOf));
      }),
    );
  });
});

test('pieces that are pushed before the last ones are read give the same frames', (t) => {
  t.notThrows(() => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 4 }), fc.array(fc.nat()), (frames, places) => {
        const reader = new FrameReader();
        for (const piece of cut(Buffer.concat(frames.map(encodeFrameToWire)), places)) reader.push(piece);
        deepStrictEqual(readAll(reader).map(plain), frames.map(viewOf));
      }),
    );
  });
});

test('unknown fields, wrong wire types and broken bodies decode as in the generated code', (t) => {
  const bodies = fc.oneof(fieldSoup, fc.uint8Array({ maxLength: 40 }));
  t.notThrows(() => {
    fc.assert(
      fc.property(bodies, (body) => {
        deepStrictEqual(
          outcome(() => decodeFrameBody(body, 0, body.length, lentPayload)),
          outcome(() => viewOf(decodeFrame(body))),
        );
      }),
      { numRuns: 1_000 },
    );
  });
});

test('a body is read within its bounds, whatever lies around it', (t) => {
  t.notThrows(() => {
    fc.assert(
      fc.property(
        fieldSoup,
        fc.uint8Array({ maxLength: 8 }),
        fc.uint8Array({ maxLength: 8 }),
        (body, before, after) => {
          const bytes = Buffer.concat([before, body, after]);
          deepStrictEqual(
            outcome(() => decodeFrameBody(bytes, before.length, before.length + body.length, lentPayload)),
            outcome(() => viewOf(decodeFrame(body))),
          );
        },
      ),
    );
  });
});

test('a 64-bit number has one form', (t) => {
  t.notThrows(() => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 64n - 1n), (value) => {
        const form = uint64(value);
        deepStrictEqual(BigInt(form), value);
        deepStrictEqual(typeof form, value <= Number.MAX_SAFE_INTEGER ? 'number' : 'bigint');
      }),
    );
  });
});

const emptyFrame = decodeFrame(new Uint8Array(0));
for (const { message, name, value, hex } of goldenVectors.messages.filter((one) => one.message === 'Frame')) {
  test(`the Rust crate's ${message} "${name}" is read and written byte by byte`, (t) => {
    const body = fromHex(hex);
    const frame: Frame = { ...emptyFrame, ...messageFromGolden(value, emptyFrame) };
    t.deepEqual(plain(decodeFrameBody(body, 0, body.length, lentPayload)), viewOf(frame));
    t.deepEqual(new Uint8Array(encoded(viewOf(frame)).subarray(5)), body);
  });
}
