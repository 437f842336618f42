import { openSession, type Session } from '../../src/frames/index.js';
import { ECHO_PROTOCOL } from '../../test/interop/rust-frames.js';
import type { BenchCase } from '../harness/case.js';
import type { Turn } from '../harness/closed-loop.js';
import { short } from '../harness/print.js';
import { alternate } from '../harness/rounds.js';
import { latencyRow } from '../harness/rows.js';
import { startFrameBackend } from '../peers/frame-backends.js';
import { requestsInTurn } from '../peers/frame-clients.js';

const SMALL = { bytes: 64, callers: 1 };
const LARGE_BYTES = 15 * 1024 * 1024;
const TURN_MS = 1_000;
const MOST_MORE_MS = 5;

const ALONE = 'small requests alone';
const BESIDE = 'small requests beside a stream of 15 MiB ones';

/** Do large requests hold small ones up? */
export const sessionLarge: BenchCase = {
  name: 'session-large',
  question: 'How long does a small request take while 15 MiB requests go through the same session?',
  budgetMs: 20_000,
  pictures: ['percentiles'],
  async run(context) {
    await using backend = await startFrameBackend(context.rustProgram);
    await using session = openSession({ endpoint: backend.endpoint }, { payloadProtocol: ECHO_PROTOCOL });
    const contenders = [
      { name: ALONE, role: 'floor', turn: () => smallRequests(session) },
      { name: BESIDE, role: 'ours', turn: () => besideLarge(session) },
    ] as const;
    for (const { turn } of contenders) await turn();
    const title = `64 B, ${backend.name}`;
    const turns = await alternate(context, title, contenders, sessionLarge.budgetMs, ({ turn }) => turn());
    const [alone, beside] = contenders.map(({ name, role }) => latencyRow(name, role, turns.get(name) ?? []));
    if (alone === undefined || beside === undefined) throw new Error('no rows');
    const moreMs = ((beside.latency?.p99 ?? 0) - (alone.latency?.p99 ?? 0)) / 1_000;
    return {
      tables: [{ title, unit: 'µs', better: 'lower', baseline: ALONE, rows: [alone, beside] }],
      notes: [
        `p99 beside the stream: ${short(moreMs)} ms more than alone, wanted at most ${MOST_MORE_MS} ms more ${moreMs <= MOST_MORE_MS ? '✓' : '✗'}`,
        'One caller each: the small requests follow one another, and so do the large ones. All answers are echoes and are compared.',
      ],
    };
  },
};

function smallRequests(session: Session): Promise<Turn> {
  return requestsInTurn(session, SMALL, { operations: 100, milliseconds: TURN_MS });
}

async function besideLarge(session: Session): Promise<Turn> {
  const end = new AbortController();
  const stream = largeRequests(session, end.signal);
  try {
    return await smallRequests(session);
  } finally {
    end.abort();
    await stream;
  }
}

async function largeRequests(session: Session, end: AbortSignal): Promise<void> {
  const payload = Buffer.alloc(LARGE_BYTES, 'large');
  while (!end.aborted) {
    const answer = await session.request(payload);
    if (!payload.equals(answer)) throw new Error('the answer is not the payload');
  }
}
