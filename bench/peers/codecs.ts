import { FrameReader } from '../../src/frames/codec/frame-reader.js';
import { FrameWriter } from '../../src/frames/codec/frame-writer.js';
import { FrameDecoder } from '../../src/wire/frame.js';
import { decodeFrame, encodeFrameToWire } from '../../src/wire/messages.js';

/** As many frames as a read of the socket holds, or a write that a session makes. */
const PIECE_BYTES = 64 * 1024;
export const GENERIC = 'generic codec';
export const OURS = 'codec of the data plane';

/** Frames that a codec handles at a time, and the function that does. */
export interface Codec {
  readonly name: typeof GENERIC | typeof OURS;
  readonly frames: number;
  run(this: void): unknown;
}

export function decoders(bytes: number): Codec[] {
  const frame = encodeFrameToWire(frameOf(bytes));
  const frames = Math.floor(PIECE_BYTES / frame.length);
  const piece = Buffer.concat(Array.from({ length: frames }, () => frame));
  return [
    {
      name: GENERIC,
      frames,
      run: () => {
        const decoder = new FrameDecoder();
        decoder.push(piece);
        for (let body = decoder.read(); body !== undefined; body = decoder.read()) decodeFrame(body);
      },
    },
    {
      name: OURS,
      frames,
      run: () => {
        const reader = new FrameReader();
        reader.push(piece);
        while (reader.read() !== undefined);
      },
    },
  ];
}

export function encoders(bytes: number): Codec[] {
  // Written out once: V8 keeps an object slow that is made by spreading.
  const frame = frameOf(bytes);
  const { envelopeVersion, payloadProtocol, payload } = frame;
  const outgoing = { envelopeVersion, payloadProtocol, payload, requestId: Number(frame.requestId) };
  const frames = 16;
  const writer = new FrameWriter();
  return [
    {
      name: GENERIC,
      frames,
      run: () => {
        for (let count = 0; count < frames; count++) encodeFrameToWire(frame);
      },
    },
    {
      name: OURS,
      frames,
      run: () => {
        for (let count = 0; count < frames; count++) writer.add(outgoing);
        writer.take();
      },
    },
  ];
}

function frameOf(bytes: number) {
  return {
    envelopeVersion: 1,
    payloadProtocol: 0xf000,
    payload: new Uint8Array(bytes).fill(7),
    requestId: 1_234n,
  };
}
