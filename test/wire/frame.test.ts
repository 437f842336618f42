import test from '../helpers/sanitary.js';
import { BrokerPoolError } from '../../src/errors.js';
import {
  encodeFrame,
  FRAME_HEADER_BYTES,
  FrameDecoder,
  FRAMING_VERSION,
  MAX_FRAME_BYTES,
  MAX_HELLO_BYTES,
} from '../../src/wire/frame.js';
import { fromHex, toHex } from './hex.js';

function decoderHolding(digits: string, maxBodyBytes?: number): FrameDecoder {
  const decoder = new FrameDecoder(maxBodyBytes);
  decoder.push(fromHex(digits));
  return decoder;
}

test('the constants of the framing are frozen (W-01, W-08)', (t) => {
  t.deepEqual(
    [FRAMING_VERSION, FRAME_HEADER_BYTES, MAX_FRAME_BYTES, MAX_HELLO_BYTES],
    [1, 5, 16_777_216, 65_536],
  );
});

test('a frame is one layout byte, the length in little-endian order, and the body (W-01, W-03, W-05)', (t) => {
  t.is(toHex(encodeFrame(fromHex('aabb'))), '0102000000aabb');
  t.is(toHex(encodeFrame(new Uint8Array(100)).subarray(0, 5)), '0164000000');
  t.is(toHex(encodeFrame(new Uint8Array(0x01_02_03)).subarray(0, 5)), '0103020100');
});

test('an empty body is a frame of five bytes, and is read as an empty body (W-02)', (t) => {
  t.is(toHex(encodeFrame(new Uint8Array(0))), '0100000000');
  const decoder = decoderHolding('0100000000');
  t.deepEqual(decoder.read(), new Uint8Array(0));
  t.is(decoder.read(), undefined);
});

test('encodeFrame accepts a body of 16 MiB and rejects one byte more (W-09)', (t) => {
  t.is(encodeFrame(new Uint8Array(MAX_FRAME_BYTES)).length, MAX_FRAME_BYTES + 5);
  t.throws(() => encodeFrame(new Uint8Array(MAX_FRAME_BYTES + 1)), {
    instanceOf: BrokerPoolError,
    code: 'FRAME_TOO_LARGE',
    message: 'frame body too large: 16777217 bytes exceeds cap 16777216',
  });
});

test('encodeFrame accepts a body above the cap for a Hello, which only readers apply (W-09)', (t) => {
  t.is(encodeFrame(new Uint8Array(MAX_HELLO_BYTES + 1)).length, MAX_HELLO_BYTES + 6);
});

test('a decoder rejects a wrong first byte before the header is complete (W-06, W-14, E-03)', (t) => {
  for (const version of [0, 2, 255]) {
    const decoder = new FrameDecoder();
    decoder.push(Uint8Array.of(version));
    t.throws(() => decoder.read(), {
      instanceOf: BrokerPoolError,
      code: 'FRAMING_VERSION',
      message: `unsupported framing version: got ${version}, expected 1`,
    });
  }
});

test('a decoder rejects a length above the cap as soon as the header is complete (W-07, W-14, E-04)', (t) => {
  t.is(decoderHolding('01010000').read(), undefined);
  t.throws(() => decoderHolding('0101000001').read(), {
    code: 'FRAME_TOO_LARGE',
    message: 'frame body too large: 16777217 bytes exceeds cap 16777216',
  });
  t.throws(() => decoderHolding('0101000100', MAX_HELLO_BYTES).read(), {
    code: 'FRAME_TOO_LARGE',
    message: 'frame body too large: 65537 bytes exceeds cap 65536',
  });
  t.throws(() => decoderHolding('01ffffffff').read(), { message: /4294967295 bytes/ });
});

test('a decoder accepts a length equal to the cap (W-07)', (t) => {
  t.is(decoderHolding('0100000001').read(), undefined);
  t.is(decoderHolding('0100000100', MAX_HELLO_BYTES).read(), undefined);
  t.deepEqual(decoderHolding('0100000000', 0).read(), new Uint8Array(0));
});

test('a decoder returns the valid frames before an invalid one (W-04)', (t) => {
  const decoder = decoderHolding('0101000000aa 0100000000 02');
  t.deepEqual(decoder.read(), fromHex('aa'));
  t.deepEqual(decoder.read(), new Uint8Array(0));
  t.throws(() => decoder.read(), { code: 'FRAMING_VERSION' });
});

test('a decoder that has failed throws the same error again and ignores further bytes', (t) => {
  const decoder = decoderHolding('02');
  const error = t.throws(() => decoder.read(), { instanceOf: BrokerPoolError });
  decoder.push(fromHex('0100000000'));
  t.throws(() => decoder.read(), { is: error });
  t.is(decoder.endOfInput(), error);
  t.deepEqual(decoder.residue(), fromHex('02'));
});

test('the error at the end of the input names the part that was being read (W-10, E-05)', (t) => {
  const cases = [
    ['', 'framing byte'],
    ['01', 'body length header'],
    ['01000000', 'body length header'],
    ['0101000000', 'frame body'],
    ['010a000000abcdef01', 'frame body'],
  ] as const;
  for (const [digits, context] of cases) {
    const decoder = decoderHolding(digits);
    t.is(decoder.read(), undefined);
    const error = decoder.endOfInput();
    t.is(error.code, 'UNEXPECTED_EOF');
    t.is(error.message, `unexpected EOF while reading frame (${context})`);
  }
});

test('an end between two frames is an error too (W-10)', (t) => {
  const decoder = decoderHolding('0101000000aa');
  t.deepEqual(decoder.read(), fromHex('aa'));
  t.regex(decoder.endOfInput().message, /framing byte/);
});

test('residue returns the bytes behind the last frame read (C-47)', (t) => {
  const decoder = decoderHolding('0101000000aa 474554202f');
  t.is(toHex(decoder.residue()), '0101000000aa474554202f');
  t.deepEqual(decoder.read(), fromHex('aa'));
  t.is(toHex(decoder.residue()), '474554202f');
  decoder.push(fromHex('20'));
  t.is(toHex(decoder.residue()), '474554202f20');
});

test('residue is empty without bytes behind the last frame (C-47)', (t) => {
  const decoder = decoderHolding('0101000000aa');
  t.deepEqual(decoder.read(), fromHex('aa'));
  t.deepEqual(decoder.residue(), new Uint8Array(0));
});

test('a decoder copies a pushed chunk, which its owner may reuse', (t) => {
  const chunk = fromHex('0102000000aabb');
  const decoder = new FrameDecoder();
  decoder.push(chunk);
  chunk.fill(0);
  t.deepEqual(decoder.read(), fromHex('aabb'));
});

test('a body has a buffer of its own, of its size', (t) => {
  const decoder = new FrameDecoder();
  decoder.push(Buffer.concat([encodeFrame(fromHex('aabb')), encodeFrame(new Uint8Array(1 << 20))]));
  t.is(decoder.read()?.buffer.byteLength, 2);
  t.is(decoder.read()?.buffer.byteLength, 1 << 20);
});

test('a decoder rejects a cap that is no length or above 16 MiB (W-08)', (t) => {
  for (const cap of [-1, 1.5, Number.NaN, Infinity, MAX_FRAME_BYTES + 1]) {
    t.throws(() => new FrameDecoder(cap), {
      code: 'INVALID_ARGUMENT',
      message: /^maxBodyBytes must be an integer/,
    });
  }
});
