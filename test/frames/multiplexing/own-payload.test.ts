import { MessageChannel } from 'node:worker_threads';
import { FrameReader } from '../../../src/frames/codec/frame-reader.js';
import { ownPayload } from '../../../src/frames/multiplexing/own-payload.js';
import test from '../../helpers/sanitary.js';
import { encoded } from '../codec/kit.js';

test('a payload fills a quarter of the memory that it keeps alive: a small one is copied out of a large piece', (t) => {
  const piece = new Uint8Array(64 * 1024).fill(7);
  for (const bytes of [piece, Buffer.from(piece.buffer)])
    for (const length of [0, 1, 20, 64, 65, 300, 300, 300, 300, 300, 4_000, 70, 16_000, 20_000, 65_000]) {
      const own = ownPayload(bytes, 100, 100 + length);
      t.is(Object.getPrototypeOf(own), Uint8Array.prototype);
      t.deepEqual(own, piece.slice(100, 100 + length));
      t.true(length * 4 >= own.buffer.byteLength, `${length} of ${own.buffer.byteLength} bytes`);
    }
});

/** What a caller transfers to another thread. */
function memoryOf({ buffer }: Uint8Array): ArrayBuffer[] {
  return buffer instanceof ArrayBuffer ? [buffer] : [];
}

test('copies of payloads overlap nowhere, and none takes the memory of others to another thread', (t) => {
  const piece = new Uint8Array(64 * 1024);
  const copies = Array.from({ length: 9 }, (_, index) => {
    piece.fill(index);
    return ownPayload(piece, 0, 300);
  });
  const { port1, port2 } = new MessageChannel();
  for (const copy of copies) {
    try {
      port1.postMessage(copy, memoryOf(copy));
    } catch {
      // Newer releases of Node throw; older ones copy.
    }
  }
  port1.close();
  port2.close();
  for (const [index, copy] of copies.entries()) t.deepEqual(copy, new Uint8Array(300).fill(index));
});

test('bytes that are kept outlive the transfer of the memory of a payload', (t) => {
  const reader = new FrameReader(ownPayload);
  const payload = Buffer.alloc(300, 7);
  reader.push(new Uint8Array(encoded({ payload, requestId: 1 }, { payload, requestId: 2 })));
  const first = reader.read()!;
  reader.keepUnread();
  structuredClone(first.payload, { transfer: memoryOf(first.payload) });
  t.is(first.payload.length, 0);
  t.like(reader.read(), { requestId: 2, payload: new Uint8Array(payload) });
  t.is(reader.read(), undefined);
});
