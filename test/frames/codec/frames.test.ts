import { FrameReader } from '../../../src/frames/codec/frame-reader.js';
import { FrameWriter, LENT_PAYLOAD_BYTES } from '../../../src/frames/codec/frame-writer.js';
import { singleBytes } from '../../helpers/pieces.js';
import test from '../../helpers/sanitary.js';
import { fromHex, toHex } from '../../wire/hex.js';
import { decoded, encoded, readAll } from './kit.js';

const ZCCACHE = 0x7a63;
const request = { envelopeVersion: 1, payloadProtocol: ZCCACHE };
const response = { ...request, kind: 1 };
const MAX_BODY = 16_777_216;

test('a request is a header and the fields that are not default, in ascending order (S-44)', (t) => {
  const payload = Buffer.from('hello');
  t.is(toHex(encoded({ ...request, payload, requestId: 1 })), '010f000000080118e3f401220568656c6c6f2801');
  t.is(toHex(encoded({ ...request, requestId: 2 })), '0108000000080118e3f4012802');
});

test('an answer has kind 1 and the trace context of its request (S-73)', (t) => {
  const frame = { ...response, requestId: 7, traceparent: '00-ab', tracestate: 'v=1' };
  t.is(toHex(encoded(frame)), '01160000000801100118e3f4012807420530302d61624a03763d31');
  t.is(decoded(encoded(frame))[0]?.tracestate, 'v=1');
});

test('a probe request takes 56 bytes with an id of 10 (P-20)', (t) => {
  const nonce = Buffer.alloc(32, 0xff);
  const wire = encoded({
    envelopeVersion: 1,
    payloadProtocol: 0xb232,
    payload: nonce,
    requestId: nonce.readBigUInt64LE(),
  });
  t.is(wire.length, 56);
  t.is(toHex(wire.subarray(0, 13)), '0133000000080118b2e4022220');
  t.is(decoded(wire)[0]?.requestId, 2n ** 64n - 1n);
});

test('a frame without a body decodes to defaults, protocol 0 among them (S-72)', (t) => {
  t.like(decoded(fromHex('0100000000'))[0], { payloadProtocol: 0, requestId: 0, kind: 0, traceparent: '' });
});

test('a body of 16 MiB passes both ways, one byte more is refused before anything is added (S-49, S-50)', (t) => {
  const writer = new FrameWriter();
  const payload = Buffer.alloc(16_777_203, 1);
  t.is(writer.add({ ...request, payload, requestId: 1 }), 5 + MAX_BODY);
  const error = t.throws(() => writer.add({ ...request, payload, requestId: 128 }));
  t.like(error, { code: 'FRAME_TOO_LARGE' });
  t.throws(() => writer.add({ payload: Buffer.alloc(MAX_BODY + 1) }), { code: 'FRAME_TOO_LARGE' });
  t.is(writer.bytes, 5 + MAX_BODY);
  const wire = Buffer.concat(writer.take());
  t.is(wire.length, 5 + MAX_BODY);
  const read = decoded(wire.subarray(0, 100_000), wire.subarray(100_000))[0];
  t.is(read && Buffer.compare(read.payload, payload), 0);
});

test('a header that declares more than 16 MiB fails when its fifth byte arrives', (t) => {
  const reader = new FrameReader();
  for (const byte of singleBytes(fromHex('01010000'))) {
    reader.push(byte);
    t.is(reader.read(), undefined);
  }
  reader.push(Uint8Array.of(1));
  t.throws(() => reader.read(), { code: 'FRAME_TOO_LARGE' });
  reader.push(encoded(request));
  t.throws(() => reader.read(), { code: 'FRAME_TOO_LARGE' });
  t.like(reader.endOfInput(), { code: 'FRAME_TOO_LARGE' });
});

test('a wrong first byte fails when it arrives, after the frames before it', (t) => {
  const reader = new FrameReader();
  reader.push(Buffer.concat([encoded(response), Uint8Array.of(2)]));
  t.is(reader.read()?.kind, 1);
  t.throws(() => reader.read(), { code: 'FRAMING_VERSION' });
});

test('a body that is no Frame fails with DECODE_FRAME', (t) => {
  t.throws(() => decoded(fromHex('0103000000ffffff')), { code: 'DECODE_FRAME' });
});

test('the payload of a frame in one piece is a view of that piece', (t) => {
  const wire = encoded({ ...response, payload: Buffer.alloc(100, 7) });
  const payload = decoded(wire)[0]!.payload;
  t.is(payload.buffer, wire.buffer);
  wire.fill(8);
  t.is(payload[0], 8);
});

test('the payload of a frame in several pieces keeps only its frame in memory', (t) => {
  const wire = encoded({ ...response, payload: Buffer.alloc(200_000, 7) });
  const frame = decoded(wire.subarray(0, 3), wire.subarray(3, 70_000), wire.subarray(70_000))[0];
  t.is(frame?.payload.length, 200_000);
  t.is(frame?.payload.buffer.byteLength, wire.length);
});

test('a large payload goes to the socket as it is, in a piece of its own', (t) => {
  const payload = Buffer.alloc(LENT_PAYLOAD_BYTES, 7);
  const writer = new FrameWriter();
  for (let requestId = 1; requestId <= 2; requestId++) writer.add({ ...request, payload, requestId });
  const pieces = writer.take();
  t.is(pieces.length, 5);
  t.is(pieces[1], payload);
  t.is(pieces[3], payload);
  t.deepEqual(
    Buffer.concat(pieces),
    encoded({ ...request, payload, requestId: 1 }, { ...request, payload, requestId: 2 }),
  );
});

test('frames with short payloads share one piece, and a piece never changes', (t) => {
  const writer = new FrameWriter();
  for (let requestId = 1; requestId <= 3; requestId++) writer.add({ ...request, requestId });
  const taken = writer.take();
  t.is(taken.length, 1);
  const before = toHex(taken[0]!);
  for (let requestId = 1; requestId <= 5_000; requestId++) writer.add({ ...response, requestId });
  t.is(toHex(taken[0]!), before);
  t.is(writer.bytes, Buffer.concat(writer.take()).length);
  t.deepEqual(writer.take(), []);
});

test('a value that its field cannot hold is refused, and the frames before it stay', (t) => {
  const writer = new FrameWriter();
  writer.add({ ...request, requestId: 1 });
  for (const wrong of [
    { payloadProtocol: -1 },
    { payloadProtocol: 1.5 },
    { envelopeVersion: 2 ** 32 },
    { kind: 2 ** 31 },
    { requestId: -1 },
    { requestId: 2 ** 53 },
    { requestId: 2n ** 64n },
    { deadlineUnixMs: -1n },
    { traceparent: '\ud800' },
  ])
    t.throws(() => writer.add({ ...request, ...wrong }), {
      code: 'INVALID_ARGUMENT',
      message: new RegExp(`^${Object.keys(wrong)[0]} must be`),
    });
  t.is(toHex(Buffer.concat(writer.take())), '0108000000080118e3f4012801');
});

test('bytes behind the last frame can be looked at, and handed on (S-61, S-76)', (t) => {
  const reader = new FrameReader();
  reader.push(Buffer.concat([encoded(request), Buffer.from('GET /')]));
  reader.read();
  t.is(reader.unreadBytes, 5);
  t.is(Buffer.from(reader.unread()).toString(), 'GET /');
  t.is(reader.unreadBytes, 5);
  const halves = encoded({ ...request, payload: Buffer.alloc(50) });
  const split = new FrameReader();
  split.push(halves.subarray(0, 30));
  t.is(split.read(), undefined);
  split.push(halves.subarray(30, 40));
  t.deepEqual(Buffer.from(split.unread()), halves.subarray(0, 40));
});

test('the missing bytes are those of a frame whose header has arrived', (t) => {
  const wire = encoded({ ...response, payload: Buffer.alloc(1_000) });
  const reader = new FrameReader();
  const missingAfter = (start: number, end: number): number => {
    reader.push(wire.subarray(start, end));
    reader.read();
    return reader.missingBytes;
  };
  t.is(missingAfter(0, 4), 0);
  t.is(missingAfter(4, 5), wire.length - 5);
  t.is(missingAfter(5, 105), wire.length - 105);
  t.is(missingAfter(105, wire.length), 0);
});

test('an end between frames is clean, an end inside one names the missing part (S-59, S-60)', (t) => {
  const wire = encoded({ ...response, payload: Buffer.from('x') });
  const after = (bytes: number): string | undefined => {
    const reader = new FrameReader();
    reader.push(wire.subarray(0, bytes));
    readAll(reader);
    return reader.endOfInput()?.message;
  };
  t.is(after(0), undefined);
  t.is(after(wire.length), undefined);
  t.regex(after(4) ?? '', /body length header/);
  t.regex(after(5) ?? '', /frame body/);
});

test('a frame whose rest never comes costs four times the bytes that have come', (t) => {
  const reader = new FrameReader();
  reader.push(fromHex('01ffffff00'));
  reader.read();
  const before = process.memoryUsage().arrayBuffers;
  reader.push(Buffer.allocUnsafeSlow(100_000));
  reader.read();
  t.true(process.memoryUsage().arrayBuffers - before < 600_000);
});
