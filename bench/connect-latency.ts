/**
 * Question: how long does it take from "I want a connection to this backend" to a socket that can be written to, by route and number of
 * callers, for this library, for the Rust client, for an event-loop client that does the obvious thing, and for a bare connect?
 *
 * All of them talk to the same real broker and the same echo backend, in alternating rounds of one run.
 */
import type { Socket } from 'node:net';
import { BrokerPool, connectToBackend, type BrokerPoolOptions } from '../src/index.js';
import { buildInteropProgram, LineProcess, RealBroker } from '../test/interop/real-broker.js';
import { ratioChart } from './harness/chart.js';
import { measureRound, medianRound, type Contender, type Round } from './harness/measure.js';
import { printTable, writeJson, writePicture, type ResultRow } from './harness/report.js';
import { bareConnect, naiveNegotiate } from './peers/naive-client.js';

const QUESTION = 'How long from "I want a connection" to a usable socket? (real broker; medians of alternating rounds)';
const ROUNDS = Number(process.env['ROUNDS'] ?? 5);
const PER_ROUND = Number(process.env['CONNECTS'] ?? 1_000);
const RUST = 'Rust client';

/** As the Rust program prints it. */
interface RustTiming {
  readonly perSecond: number;
  readonly p50Ns: number;
  readonly p90Ns: number;
  readonly p99Ns: number;
  readonly p999Ns: number;
  readonly maxNs: number;
}

const built = buildInteropProgram();
if ('missing' in built) {
  console.error(`This bench needs the real broker: ${built.missing}.`);
  process.exit(1);
}
const { program } = built;
const rows: ResultRow[] = [];
await benchRoute('Hello-skip', 'none', 'bare net.connect');
await benchRoute('negotiated', 'none', RUST);
await benchRoute('handoff', 'accept', RUST);
printTable(QUESTION, rows);
console.log(`\nwrote ${writeJson('connect-latency', QUESTION, rows)}`);
const svg = await ratioChart(QUESTION, rows);
if (svg === undefined) console.log('no picture: run `npm --prefix bench ci` first');
else console.log(`wrote ${writePicture('connect-latency', svg)}`);

type RouteName = 'Hello-skip' | 'negotiated' | 'handoff';

async function benchRoute(route: RouteName, handoff: 'accept' | 'none', baseline: string): Promise<void> {
  const real = await RealBroker.start(program, handoff);
  const rust = rustClient(real);
  for (const callers of [1, 16]) {
    const group = `${route}, ${callers} caller${callers === 1 ? '' : 's'}`;
    const { contenders, close } = contendersFor(route, real, callers);
    for (const contender of contenders) await checkAnswer(contender);
    // A handoff takes the broker 5 ms, one at a time (H-14).
    const total = route === 'handoff' ? Math.ceil(PER_ROUND / 5) : PER_ROUND;
    const rounds = new Map<string, Round[]>([[RUST, []], ...contenders.map(({ name }): [string, Round[]] => [name, []])]);
    for (let round = 0; round < ROUNDS; round++) {
      rounds.get(RUST)?.push(await rustRound(rust, route, total, callers));
      for (const contender of contenders) rounds.get(contender.name)?.push(await measureRound(contender, callers, total));
      process.stderr.write(`\r${group}: round ${round + 1} of ${ROUNDS} `);
    }
    process.stderr.write('\n');
    for (const [name, results] of rounds) rows.push({ group, name, result: medianRound(results), baseline });
    await close();
  }
  await rust.stop();
  await real.stop();
}

function contendersFor(route: RouteName, real: RealBroker, callers: number): { contenders: Contender[]; close: () => Promise<void> } {
  const { broker: brokerEndpoint, backend, service: serviceName, version: wantedVersion } = real.endpoints;
  const target = { brokerEndpoint, serviceName, wantedVersion };
  const adoptHandedOffConnection = route === 'handoff';
  const poolOptions: BrokerPoolOptions = { ...target, max: callers, maxConnecting: callers, adoptHandedOffConnection };
  const pool = new BrokerPool(route === 'Hello-skip' ? poolOptions : { ...poolOptions, endpointCache: false });
  const oneShot = route === 'Hello-skip' ? { cachedBackendEndpoint: backend } : { adoptHandedOffConnection };
  const contenders: Contender[] = [
    {
      name: 'BrokerPool, new connection each time',
      connect: async () => {
        const lease = await pool.acquire();
        return () => lease.destroy();
      },
    },
    { name: 'connectToBackend', connect: async () => closer((await connectToBackend({ ...target, ...oneShot })).socket) },
    { name: 'bare net.connect', connect: async () => closer(await bareConnect(backend)) },
  ];
  if (route === 'negotiated') {
    contenders.push({ name: 'naive event-loop client', connect: async () => closer(await naiveNegotiate(brokerEndpoint, serviceName, wantedVersion)) });
  }
  return { contenders, close: () => pool.close() };
}

function closer(socket: Socket): () => void {
  return () => {
    socket.destroy();
  };
}

/** A contender that connects fast to the wrong thing must not win: each must get a connection before it is timed. */
async function checkAnswer(contender: Contender): Promise<void> {
  for (let time = 0; time < 20; time++) (await contender.connect())();
}

function rustClient(real: RealBroker): LineProcess {
  const { broker, backend, service, version } = real.endpoints;
  return new LineProcess(program, ['time', '--interactive', '--broker', broker, '--backend', backend, '--service', service, '--version', version]);
}

async function rustRound(rust: LineProcess, route: RouteName, n: number, threads: number): Promise<Round> {
  const names = { 'Hello-skip': 'skip', negotiated: 'negotiated', handoff: 'handoff' } as const;
  const timing = await rust.ask<RustTiming>(JSON.stringify({ route: names[route], n, threads, warmup: 20 }));
  return {
    perSecond: timing.perSecond,
    p50Us: timing.p50Ns / 1_000,
    p90Us: timing.p90Ns / 1_000,
    p99Us: timing.p99Ns / 1_000,
    p999Us: timing.p999Ns / 1_000,
    maxUs: timing.maxNs / 1_000,
  };
}
