import { FrameReader } from '../../src/frames/codec/frame-reader.js';
import { FrameWriter } from '../../src/frames/codec/frame-writer.js';
import { FrameDecoder } from '../../src/wire/frame.js';
import { decodeFrame, encodeFrameToWire } from '../../src/wire/messages.js';
import { timeBatches } from '../harness/batches.js';
import type { BenchCase, BenchContext } from '../harness/case.js';
import type { Table } from '../harness/result.js';
import { alternate } from '../harness/rounds.js';

/** As many frames as a read of the socket holds, or a write that a session makes. */
const PIECE_BYTES = 64 * 1024;
const GENERIC = 'generic codec';
const OURS = 'codec of the data plane';

/** What does it cost to read and write the frames of the data plane? */
export const frameCodec: BenchCase = {
  name: 'frame-codec',
  question: 'What does it cost to decode and to encode a frame of 64 B, and of 16 KiB?',
  budgetMs: 20_000,
  async run(context) {
    const tables: Table[] = [];
    for (const bytes of [64, 16 * 1024]) {
      tables.push(await compare(context, `decode ${bytes} B`, decoders(bytes)));
      tables.push(await compare(context, `encode ${bytes} B`, encoders(bytes)));
    }
    return {
      tables,
      notes: ['The generic codec is that of the control plane: generated code, and a copy of each payload.'],
    };
  },
};

/** Frames that a codec handles at a time, and the function that does. */
interface Codec {
  readonly name: string;
  readonly frames: number;
  run(this: void): unknown;
}

async function compare(context: BenchContext, title: string, codecs: readonly Codec[]): Promise<Table> {
  const turns = await alternate(context, title, codecs, frameCodec.budgetMs / 4, async ({ run, frames }) => {
    const nanoseconds = await timeBatches(1, async (times) => {
      for (let time = 0; time < times; time++) run();
    });
    return nanoseconds / frames;
  });
  return {
    title,
    unit: 'ns',
    better: 'lower',
    baseline: GENERIC,
    rows: codecs.map(({ name }) => ({
      name,
      role: name === OURS ? 'ours' : 'peer',
      rounds: turns.get(name) ?? [],
    })),
    targets: [{ row: OURS, against: GENERIC, atMost: title.startsWith('decode') ? 0.2 / 1.4 : 0.3 / 1.5 }],
  };
}

function decoders(bytes: number): Codec[] {
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

function encoders(bytes: number): Codec[] {
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
