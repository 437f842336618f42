import { BrokerPool } from '../../src/index.js';
import { openSession, type Session, type SessionOptions } from '../../src/frames/index.js';
import type { BenchCase, BenchContext } from '../harness/case.js';
import { closedLoop, type Turn } from '../harness/closed-loop.js';
import { startProgram } from '../harness/program.js';
import type { Table } from '../harness/result.js';
import { alternate } from '../harness/rounds.js';
import { latencyRow, throughputRow } from '../harness/rows.js';
import { askRaw } from '../peers/raw-echo.js';
import { PAYLOAD_PROTOCOL, type FrameServiceReady } from '../programs/frame-service.js';

const TURN_MS = 300;
const LARGE_BYTES = 15 * 1024 * 1024;

/** One way to get answers, with so many callers. */
interface Way {
  readonly name: string;
  readonly callers: number;
  readonly ask: () => Promise<unknown>;
  close(): Promise<void>;
}

/** What does a request cost, alone and among others? */
export const sessions: BenchCase = {
  name: 'sessions',
  question:
    'How many requests a second does a session get answered, by one caller, by 16, and beside large ones?',
  budgetMs: 60_000,
  async run(context) {
    await using service = await startProgram<FrameServiceReady>('frame-service');
    return {
      tables: [
        await throughput(context, service.ready, 64),
        await throughput(context, service.ready, 16 * 1024),
        await besideLarge(context, service.ready),
      ],
      notes: [
        'The backend is a Node process that echoes. Payloads are compared by length.',
        'A lease a request: acquire, write the bytes without a frame, read them back, release.',
        'Beside large requests: p99 may be 5 ms above that of the same alone.',
      ],
    };
  },
};

async function throughput(context: BenchContext, ready: FrameServiceReady, bytes: number): Promise<Table> {
  const one = sessionWay('1 connection, 1 caller', ready, bytes, 1, { connections: 1 });
  const many = sessionWay('1 connection, 16 callers', ready, bytes, 16, { connections: 1 });
  const usual = sessionWay('as by default, 16 callers', ready, bytes, 16, {});
  const raw = rawWay('a lease a request, raw bytes, 16 callers', ready, bytes, 16);
  const ways = [one, many, usual, raw];
  const title = bytes < 1024 ? `${bytes} B` : `${bytes / 1024} KiB`;
  for (const way of ways) await turnOf(way, 50);
  const turns = await alternate(context, title, ways, sessions.budgetMs / 3, (way) => turnOf(way, TURN_MS));
  for (const way of ways) await way.close();
  return {
    title,
    unit: 'requests/s',
    better: 'higher',
    baseline: one.name,
    rows: ways.map(({ name }) =>
      throughputRow(name, name === raw.name ? 'peer' : 'ours', turns.get(name) ?? []),
    ),
    targets:
      bytes < 1024
        ? [
            { row: many.name, against: one.name, atLeast: 5 },
            { row: usual.name, against: raw.name, atLeast: 3 },
          ]
        : [{ row: usual.name, against: one.name, atLeast: 3 }],
  };
}

async function besideLarge(context: BenchContext, ready: FrameServiceReady): Promise<Table> {
  const pool = new BrokerPool(ready.target);
  const session = openSession(pool, { payloadProtocol: PAYLOAD_PROTOCOL });
  const small = Buffer.alloc(64, 2);
  const large = Buffer.alloc(LARGE_BYTES, 3);
  const ask = (): Promise<Turn> => loop(() => session.request(small), 1, TURN_MS);
  const ways = [
    { name: 'alone', run: ask },
    {
      name: 'beside 15 MiB requests',
      run: async (): Promise<Turn> => {
        const over = new AbortController();
        const stream = async (): Promise<void> => {
          while (!over.signal.aborted) await session.request(large);
        };
        const streams = [stream(), stream()];
        const turn = await ask();
        over.abort();
        await Promise.all(streams);
        return turn;
      },
    },
  ];
  for (const way of ways) await way.run();
  const turns = await alternate(context, 'beside large', ways, sessions.budgetMs / 3, ({ run }) => run());
  await session.close();
  await pool.close();
  return {
    title: '64 B, one caller',
    unit: 'µs',
    better: 'lower',
    baseline: 'alone',
    rows: ways.map(({ name }) => latencyRow(name, 'ours', turns.get(name) ?? [])),
  };
}

function sessionWay(
  name: string,
  { target }: FrameServiceReady,
  bytes: number,
  callers: number,
  options: Partial<SessionOptions>,
): Way {
  const pool = new BrokerPool(target);
  const session = openSession(pool, { payloadProtocol: PAYLOAD_PROTOCOL, ...options });
  const payload = Buffer.alloc(bytes, 2);
  return {
    name,
    callers,
    ask: () => checked(session, payload),
    close: async () => {
      await session.close();
      await pool.close();
    },
  };
}

async function checked(session: Session, payload: Uint8Array): Promise<void> {
  const answer = await session.request(payload);
  if (answer.length !== payload.length) throw new Error('the answer is not that of the request');
}

function rawWay(name: string, { target }: FrameServiceReady, bytes: number, callers: number): Way {
  const pool = new BrokerPool({ ...target, max: callers });
  const payload = Buffer.alloc(bytes, 2);
  return {
    name,
    callers,
    ask: () => pool.use(({ socket }) => askRaw(socket, payload)),
    close: () => pool.close(),
  };
}

function turnOf({ ask, callers }: Way, milliseconds: number): Promise<Turn> {
  return loop(ask, callers, milliseconds);
}

function loop(ask: () => Promise<unknown>, callers: number, milliseconds: number): Promise<Turn> {
  const operation = async (): Promise<() => void> => {
    await ask();
    return () => {};
  };
  return closedLoop(operation, callers, { operations: callers, milliseconds });
}
