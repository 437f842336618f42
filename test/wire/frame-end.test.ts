import test from '../helpers/sanitary.js';
import { encodeFrame, FrameDecoder, FrameEnd, MAX_FRAME_BYTES, NO_PROGRESS } from '../../src/wire/frame.js';

const FRAMES: readonly Uint8Array[] = [0, 1, 9].map((bytes) =>
  encodeFrame(Uint8Array.from({ length: bytes }, (_, index) => index + 2)),
);

/** A header that announces so many bytes. */
function header(bodyBytes: number): Uint8Array {
  const bytes = Uint8Array.from([1, 0, 0, 0, 0]);
  new DataView(bytes.buffer).setUint32(1, bodyBytes, true);
  return bytes;
}

for (const wire of FRAMES) {
  test(`the end of a frame of ${wire.length} bytes is found wherever another reader left off, in one piece or byte by byte`, (t) => {
    for (let read = 0; read < wire.length; read++) {
      const decoder = new FrameDecoder();
      decoder.push(wire.subarray(0, read));
      t.is(decoder.read(), undefined);
      const atOnce = new FrameEnd(decoder.progress());
      t.false(atOnce.reached);
      atOnce.push(wire.subarray(read));
      t.true(atOnce.reached);
      const byteByByte = new FrameEnd(decoder.progress());
      for (let next = read; next < wire.length; next++) {
        t.false(byteByByte.reached, `${next} of ${wire.length} bytes`);
        byteByByte.push(wire.subarray(next, next + 1));
      }
      t.true(byteByByte.reached);
    }
  });
}

test('the progress of a decoder does not count the frames it has returned', (t) => {
  const decoder = new FrameDecoder();
  decoder.push(Buffer.concat([encodeFrame(Uint8Array.of(7)), header(3), Uint8Array.of(8)]));
  decoder.read();
  t.deepEqual(decoder.progress(), { header: header(3), bodyBytes: 1 });
  t.deepEqual(new FrameDecoder().progress(), NO_PROGRESS);
});

test('a FrameEnd is reached at once for an invalid header (W-06, W-07)', (t) => {
  const other = new FrameEnd();
  other.push(Uint8Array.of(2));
  t.true(other.reached);
  const long = new FrameEnd();
  long.push(header(MAX_FRAME_BYTES));
  t.false(long.reached);
  const tooLong = new FrameEnd();
  tooLong.push(header(MAX_FRAME_BYTES + 1));
  t.true(tooLong.reached);
});
