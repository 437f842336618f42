import { timeBatches } from '../harness/batches.js';
import type { BenchCase, BenchContext } from '../harness/case.js';
import type { Table } from '../harness/result.js';
import { alternate } from '../harness/rounds.js';
import { decoders, encoders, GENERIC, OURS, type Codec } from '../peers/codecs.js';

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
