import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test from '../helpers/sanitary.js';
import { encodeFrame, FrameDecoder } from '../../src/wire/frame.js';
import { until } from '../helpers/leftovers.js';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** Bytes held by ArrayBuffers that are still in use. */
function bufferBytes(): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

test.serial('a header alone reserves no memory for the body it declares', async (t) => {
  const before = bufferBytes();
  const decoders = Array.from({ length: 64 }, () => {
    const decoder = new FrameDecoder();
    decoder.push(Uint8Array.of(1, 0, 0, 0, 1));
    decoder.read();
    return decoder;
  });
  t.true(await until(() => bufferBytes() - before < 1 << 20), 'even 64 declared bodies of 16 MiB');
  t.regex(decoders[63]?.endOfInput().message ?? '', /frame body/);
});

test.serial('a body of 4 MiB in single bytes costs time in proportion to its size', (t) => {
  // One move of all that is held per byte would be 10^13 bytes moved: the test would not end.
  const bodyBytes = 4 << 20;
  const wire = encodeFrame(new Uint8Array(bodyBytes));
  const decoder = new FrameDecoder();
  for (let position = 0; position < wire.length; position++) {
    decoder.push(wire.subarray(position, position + 1));
    if (position % 4096 === 0) t.is(decoder.read(), undefined);
  }
  t.is(decoder.read()?.length, bodyBytes);
});

test.serial('many small frames in one large piece are read in time in proportion to its size', (t) => {
  const one = encodeFrame(Uint8Array.of(7));
  const count = 1_000_000;
  const piece = new Uint8Array(one.length * count);
  for (let index = 0; index < count; index++) piece.set(one, index * one.length);
  const decoder = new FrameDecoder();
  decoder.push(piece);
  let read = 0;
  while (decoder.read() !== undefined) read++;
  t.is(read, count);
});

test.serial('small pieces are taken in time in proportion to their size while frames lie unread', (t) => {
  const one = encodeFrame(Uint8Array.of(7));
  const decoder = new FrameDecoder();
  decoder.push(encodeFrame(new Uint8Array(4 << 20)));
  for (let index = 0; index < 500_000; index++) decoder.push(one);
  t.is(decoder.read()?.length, 4 << 20);
  for (let index = 0; index < 500_000; index++) {
    decoder.push(one);
    decoder.read();
  }
  t.is(decoder.residue().length, 500_000 * one.length);
});

test.serial('the memory of a large frame is given back once the frame is read', async (t) => {
  const wire = Buffer.concat([encodeFrame(new Uint8Array(8 << 20)), Uint8Array.of(1)]);
  const before = bufferBytes();
  const decoders = Array.from({ length: 8 }, () => {
    const decoder = new FrameDecoder();
    decoder.push(wire);
    decoder.read();
    return decoder;
  });
  // Buffers that are no longer used are freed by another thread, a little later.
  t.true(await until(() => bufferBytes() - before < 1 << 20), 'though one more byte has arrived and is kept');
  t.is(decoders[7]?.residue().length, 1);
});
