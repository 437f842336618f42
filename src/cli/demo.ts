import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { BrokerPool, type BrokerPoolOptions, type Route } from '../index.js';
import { canHandOff } from '../testing/embedded-backend.js';
import { spawnTestSystem, type SpawnedTestSystem } from '../testing/spawned-system.js';

const CONNECTS = 500;
const BAR_WIDTH = 30;

/** One line of the result. `route`: what every connection must have come by. */
interface Lane {
  readonly label: string;
  readonly route?: Route;
  /** Gets a socket, and says how to let go of it. */
  readonly get: () => Promise<{ socket: Socket; route?: Route; done: () => void }>;
}

/** `broker-pool demo`: traffic by every route through pools, beside a bare `net.connect`. */
export async function runDemo(parameters: string[]): Promise<number> {
  const { values } = parseArgs({ args: parameters, options: { connects: { type: 'string', default: String(CONNECTS) } } });
  const connects = Number(values.connects);
  if (!Number.isSafeInteger(connects) || connects < 1) throw new Error('--connects must be a whole number from 1 up');

  console.log('Starting an embedded broker and an echo backend, each as a process.');
  await using system = await spawnTestSystem();
  console.log(`  broker   ${system.target.brokerEndpoint}\n  backend  ${system.backend.endpoint}\n`);
  const pools: BrokerPool[] = [];
  const openPool = (options: BrokerPoolOptions): BrokerPool => {
    const pool = new BrokerPool({ ...system.target, ...options });
    pools.push(pool);
    return pool;
  };
  const results: [Lane, RecordableHistogram][] = [];
  for (const lane of lanesOf(system, openPool)) results.push([lane, await runLane(lane, connects)]);
  printResults(results);
  await Promise.all(pools.map((pool) => pool.close()));
  return 0;
}

function lanesOf(system: SpawnedTestSystem, openPool: (options: BrokerPoolOptions) => BrokerPool): Lane[] {
  const reusing = openPool({});
  const skipping = openPool({});
  const negotiating = openPool({ endpointCache: false });
  const adopting = openPool({ endpointCache: false, adoptHandedOffConnection: true });
  const handedOver: Lane = { label: 'handle-passed', route: 'handle-passed', get: () => newConnection(adopting) };
  return [
    { label: 'net.connect, bare', get: () => bareConnection(system.backend.endpoint) },
    { label: 'pooled, idle reused', get: () => pooledConnection(reusing) },
    { label: 'hello-skip', route: 'hello-skip', get: () => newConnection(skipping) },
    { label: 'broker-negotiated', route: 'broker-negotiated', get: () => newConnection(negotiating) },
    ...(canHandOff() ? [handedOver] : []),
  ];
}

async function bareConnection(endpoint: string) {
  const socket = connect(endpoint);
  await once(socket, 'connect');
  return { socket, done: () => void socket.destroy() };
}

/** Closed after use, so that the next one has to be opened. */
async function newConnection(pool: BrokerPool) {
  const lease = await pool.acquire();
  return { socket: lease.socket, route: lease.route, done: () => lease.destroy() };
}

async function pooledConnection(pool: BrokerPool) {
  const lease = await pool.acquire();
  return { socket: lease.socket, done: () => lease.release() };
}

async function runLane(lane: Lane, connects: number): Promise<RecordableHistogram> {
  const histogram = createHistogram();
  // Starts the wait thread and fills the endpoint cache; by which route does not matter yet.
  (await lane.get()).done();
  if (!process.stdout.isTTY) console.log(`${connects} connections: ${lane.label}`);
  for (let count = 1; count <= connects; count++) {
    histogram.record(await oneConnection(lane));
    if (process.stdout.isTTY) showProgress(lane.label, count / connects);
  }
  return histogram;
}

/** How long it took to get a connection, in nanoseconds. That the connection works is checked afterwards, off the clock. */
async function oneConnection(lane: Lane): Promise<bigint> {
  const startedNs = process.hrtime.bigint();
  const { socket, route, done } = await lane.get();
  const elapsedNs = process.hrtime.bigint() - startedNs;
  if (route !== lane.route) throw new Error(`${lane.label}: the connection came by ${route ?? 'no route'}`);
  socket.write('ping');
  const [answer]: Buffer[] = await once(socket, 'data');
  if (String(answer) !== 'ping') throw new Error(`${lane.label}: the echo said ${String(answer)}`);
  done();
  return elapsedNs;
}

function showProgress(label: string, share: number): void {
  const filled = Math.round(share * BAR_WIDTH);
  process.stdout.write(`\r${label.padEnd(22)}${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}${share === 1 ? '\n' : ''}`);
}

function printResults(results: readonly [Lane, RecordableHistogram][]): void {
  console.log(`\n${'time to a usable connection'.padEnd(30)}${['count', 'p50 µs', 'p90 µs', 'p99 µs'].map((title) => title.padStart(10)).join('')}`);
  for (const [{ label }, histogram] of results) {
    const figures = [50, 90, 99].map((percentile) => (histogram.percentile(percentile) / 1_000).toFixed(1).padStart(10));
    console.log(`${label.padEnd(30)}${String(histogram.count).padStart(10)}${figures.join('')}`);
  }
}
