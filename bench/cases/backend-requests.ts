import type { BenchCase, BenchContext } from '../harness/case.js';
import type { Turn, TurnLength } from '../harness/closed-loop.js';
import type { Role, Table } from '../harness/result.js';
import { alternate } from '../harness/rounds.js';
import { latencyRow, throughputRow } from '../harness/rows.js';
import {
  startBareBackend,
  startNodeBackend,
  startRustBackend,
  type FrameBackend,
} from '../peers/frame-backends.js';
import { rustClient, sessionClient, type FrameClient } from '../peers/frame-clients.js';

const BYTES = 64;
const CLIENTS = 16;
const IN_FLIGHT = 16;
const WARM_UP: TurnLength = { operations: 5_000, milliseconds: 200 };
const TURN: TurnLength = { operations: 1_000, milliseconds: 300 };

const NODE = 'Node serveBackend';
const RUST = 'Rust mux backend';
const BARE = 'bare net server in Node, no checks';

/** How fast does a Node backend answer? */
export const backendRequests: BenchCase = {
  name: 'backend-requests',
  question:
    'How many requests a second does a Node backend answer, and how fast, beside the Rust sample backend?',
  budgetMs: 20_000,
  pictures: ['bars'],
  async run(context) {
    const { rustProgram } = context;
    await using node = await startNodeBackend();
    await using rust = rustProgram === undefined ? undefined : await startRustBackend(rustProgram);
    await using bare = await startBareBackend();
    const all: Contender[] = [
      { name: NODE, role: 'ours', backend: node },
      { name: BARE, role: 'floor', backend: bare },
    ];
    if (rust !== undefined) all.push({ name: RUST, role: 'peer', backend: rust });
    return {
      tables: [
        await measure(context, all, `64 B, ${CLIENTS} clients × ${IN_FLIGHT} in flight`, CLIENTS, IN_FLIGHT),
        await measure(context, all, '64 B, 1 client × 1 in flight', 1, 1),
      ],
      notes: [
        rustProgram === undefined
          ? 'The clients are one session in this process: it is the limit rather than the backend. bench:real has a client in Rust.'
          : `The clients are a program in Rust: its own client with a thread and a connection for each of the ${CLIENTS}, the crate's FrameClient for one request at a time. Echoes are compared.`,
      ],
    };
  },
};

interface Contender {
  readonly name: string;
  readonly role: Role;
  readonly backend: FrameBackend;
}

async function measure(
  context: BenchContext,
  backends: readonly Contender[],
  title: string,
  clients: number,
  inFlight: number,
): Promise<Table> {
  const contenders = backends.map(({ name, role, backend }) => ({
    name,
    role,
    client: clientOf(context, name, backend, clients, inFlight),
  }));
  for (const { client } of contenders) await client.turn(WARM_UP);
  const budgetMs = backendRequests.budgetMs / 2;
  const turns = await alternate(context, title, contenders, budgetMs, ({ client }) => client.turn(TURN));
  for (const { client } of contenders) await client[Symbol.asyncDispose]();
  const turnsOf = (name: string): readonly Turn[] => turns.get(name) ?? [];
  const hasPeer = contenders.some(({ name }) => name === RUST);
  if (inFlight > 1) {
    return {
      title,
      unit: 'requests/s',
      better: 'higher',
      baseline: hasPeer ? RUST : NODE,
      rows: contenders.map(({ name, role }) => throughputRow(name, role, turnsOf(name))),
      ...(hasPeer ? { targets: [{ row: NODE, against: RUST, atLeast: 0.5 }] } : {}),
    };
  }
  return {
    title,
    unit: 'µs',
    better: 'lower',
    baseline: hasPeer ? RUST : NODE,
    rows: contenders.map(({ name, role }) => latencyRow(name, role, turnsOf(name))),
    ...(hasPeer ? { targets: [{ row: NODE, against: RUST, atMost: 1.3 }] } : {}),
  };
}

function clientOf(
  { rustProgram }: BenchContext,
  name: string,
  { endpoint }: FrameBackend,
  clients: number,
  inFlight: number,
): FrameClient {
  if (rustProgram !== undefined)
    return rustClient(name, rustProgram, endpoint, { threads: clients, bytes: BYTES, inFlight });
  const load = { bytes: BYTES, callers: clients * inFlight };
  return sessionClient(name, endpoint, { connections: clients, maxInFlight: inFlight }, load);
}
