import type { BenchCase, BenchContext } from '../harness/case.js';
import type { Turn, TurnLength } from '../harness/closed-loop.js';
import type { Table, Target } from '../harness/result.js';
import { alternate } from '../harness/rounds.js';
import { latencyRow, throughputRow } from '../harness/rows.js';
import { startFrameBackend, type FrameBackend } from '../peers/frame-backends.js';
import { bareFrameClient } from '../peers/bare-frame-client.js';
import { rustClient, sessionClient, type FrameClient } from '../peers/frame-clients.js';

const SMALL_BYTES = 64;
const MEDIUM_BYTES = 16 * 1024;
/** Enough for every connection of the defaults to have several requests in flight. */
const DEFAULT_CALLERS = 64;
const WARM_UP: TurnLength = { operations: 2_000, milliseconds: 200 };
const TURN: TurnLength = { operations: 100, milliseconds: 250 };
/** With one request at a time, a shorter turn meets one of two speeds: the cores sleep between requests, or do not. */
const MEDIUM_TURN: TurnLength = { operations: 100, milliseconds: 1_000 };

const ONE = 'session, 1 connection × 1 in flight';
const SIXTEEN = 'session, 1 connection × 16 in flight';
const DEFAULTS = `session, defaults, ${DEFAULT_CALLERS} callers`;
const RUST_ONE = 'Rust FrameClient, 1 thread × 1 connection';
const RUST_SIXTEEN = 'Rust FrameClient, 16 threads × 16 connections';
const RUST_PIPELINE = 'Rust pipelining client, 1 connection × 16 in flight';
const BARE_PIPELINE = 'bare Node socket, 1 connection × 16 in flight';

/** How many requests does a session get answered, and how fast? */
export const sessionRequests: BenchCase = {
  name: 'session-requests',
  question: 'How many requests a second does a session get answered, by size and requests in flight?',
  budgetMs: 35_000,
  pictures: ['bars'],
  async run(context) {
    await using backend = await startFrameBackend(context.rustProgram);
    const [smallRates, smallLatencies] = await measure(context, backend, SMALL_BYTES);
    const [mediumRates, mediumLatencies] = await measure(context, backend, MEDIUM_BYTES);
    return {
      tables: [smallRates, mediumRates, smallLatencies, mediumLatencies],
      notes: [
        'Each answer is compared with its request, in the sessions and in the Rust clients.',
        'The Rust FrameClient has a thread and a connection for each request in flight: it waits for each answer.',
        'The pipelining client is made of the codec of the Rust crate. The bare socket sends ready-made frames and counts the bytes of the answers. Both show what one connection can reach.',
      ],
    };
  },
};

async function measure(
  context: BenchContext,
  backend: FrameBackend,
  bytes: number,
): Promise<[rates: Table, latencies: Table]> {
  const clients = clientsOf(context, backend, bytes);
  for (const client of clients) await client.turn(WARM_UP);
  const title = `${bytes === SMALL_BYTES ? '64 B' : '16 KiB'}, ${backend.name}`;
  const budgetMs = sessionRequests.budgetMs / 2;
  const length = bytes === SMALL_BYTES ? TURN : MEDIUM_TURN;
  const turns = await alternate(context, title, clients, budgetMs, (client) => client.turn(length));
  for (const client of clients) await client[Symbol.asyncDispose]();
  const turnsOf = ({ name }: FrameClient): readonly Turn[] => turns.get(name) ?? [];
  const single = clients.filter(({ name }) => name === ONE || name === RUST_ONE);
  return [
    {
      title,
      unit: 'requests/s',
      better: 'higher',
      baseline: ONE,
      answer: bytes === SMALL_BYTES ? SIXTEEN : DEFAULTS,
      rows: clients.map((client) => throughputRow(client.name, client.role, turnsOf(client))),
      targets: targetsOf(bytes, context.rustProgram !== undefined),
    },
    {
      title,
      unit: 'µs',
      better: 'lower',
      baseline: RUST_ONE,
      rows: single.map((client) => latencyRow(client.name, client.role, turnsOf(client))),
    },
  ];
}

function clientsOf({ rustProgram }: BenchContext, { endpoint }: FrameBackend, bytes: number): FrameClient[] {
  const one = { connections: 1, maxInFlight: 1 };
  const clients = [
    sessionClient(ONE, endpoint, one, { bytes, callers: 1 }),
    sessionClient(SIXTEEN, endpoint, { connections: 1, maxInFlight: 16 }, { bytes, callers: 16 }),
    sessionClient(DEFAULTS, endpoint, {}, { bytes, callers: DEFAULT_CALLERS }),
  ];
  const isSmall = bytes === SMALL_BYTES;
  if (isSmall) clients.push(bareFrameClient(BARE_PIPELINE, endpoint, { bytes, callers: 16 }));
  if (rustProgram === undefined) return clients;
  clients.push(
    rustClient(RUST_ONE, rustProgram, endpoint, { threads: 1, bytes }),
    rustClient(RUST_SIXTEEN, rustProgram, endpoint, { threads: 16, bytes }),
  );
  // It would block at larger ones, which do not fit into the buffers of one connection.
  if (isSmall)
    clients.push(rustClient(RUST_PIPELINE, rustProgram, endpoint, { threads: 1, bytes, inFlight: 16 }));
  return clients;
}

function targetsOf(bytes: number, hasRust: boolean): Target[] {
  if (bytes !== SMALL_BYTES) return [{ row: DEFAULTS, against: ONE, atLeast: 3 }];
  const own: Target = { row: SIXTEEN, against: ONE, atLeast: 5 };
  return hasRust ? [own, { row: SIXTEEN, against: RUST_SIXTEEN, atLeast: 1.5 }] : [own];
}
