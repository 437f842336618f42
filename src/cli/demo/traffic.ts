import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { monotonicNowMs } from '../../clock.js';
import { BrokerPool, type BrokerPoolOptions, type Route } from '../../index.js';
import { canHandOff } from '../../testing/embedded-backend.js';
import { spawnTestSystem, type SpawnedTestSystem } from '../../testing/spawned-system.js';
import { printJson, printLine, type CommandIo } from '../command.js';
import { startProgress } from '../progress.js';

/** By then V8 has compiled the code of a route. Before, a Hello-skip takes longer than a bare net.connect. */
const WARM_UP = 1_000;

/** One line of the result. Every connection must come by `route`. */
interface Contender {
  readonly label: string;
  readonly route?: Route;
  /** Gets a socket, and the function that returns it. */
  readonly open: () => Promise<{ socket: Socket; route?: Route; letGo: () => void }>;
}

/** Traffic by every route through pools, beside a bare `net.connect`. */
export async function runDemo(connects: number, json: boolean, io: CommandIo): Promise<void> {
  const say = json ? (): void => {} : (text: string) => printLine(io.stdout, text);
  say('Starting an embedded broker and an echo backend, each as a process.');
  await using system = await spawnTestSystem();
  say(`  broker   ${system.target.brokerEndpoint}\n  backend  ${system.backend.endpoint}\n`);
  const pools: BrokerPool[] = [];
  const openPool = (options: BrokerPoolOptions): BrokerPool => {
    const pool = new BrokerPool({ ...system.target, ...options });
    pools.push(pool);
    return pool;
  };
  const results: [Contender, RecordableHistogram][] = [];
  try {
    for (const contender of contendersIn(system, openPool)) {
      say(`${connects} ${connects === 1 ? 'connection' : 'connections'}: ${contender.label}`);
      results.push([contender, await runContender(contender, connects, io)]);
    }
  } finally {
    await Promise.all(pools.map((pool) => pool.close()));
  }
  if (json) {
    printJson(
      io.stdout,
      results.map(([{ label }, histogram]) => ({
        label,
        count: histogram.count,
        ...microseconds(histogram),
      })),
    );
  } else say(resultTable(results));
}

function contendersIn(
  system: SpawnedTestSystem,
  openPool: (options: BrokerPoolOptions) => BrokerPool,
): Contender[] {
  const reusing = openPool({});
  const skipping = openPool({});
  const negotiating = openPool({ endpointCache: false });
  const adopting = openPool({ endpointCache: false, adoptHandedOffConnection: true });
  const handedOver: Contender = {
    label: 'handle-passed',
    route: 'handle-passed',
    open: () => newConnection(adopting),
  };
  return [
    { label: 'net.connect, bare', open: () => bareConnection(system.backend.endpoint) },
    { label: 'pooled, idle reused', open: () => pooledConnection(reusing) },
    { label: 'hello-skip', route: 'hello-skip', open: () => newConnection(skipping) },
    { label: 'broker-negotiated', route: 'broker-negotiated', open: () => newConnection(negotiating) },
    ...(canHandOff() ? [handedOver] : []),
  ];
}

async function bareConnection(endpoint: string) {
  const socket = connect(endpoint);
  await once(socket, 'connect');
  return { socket, letGo: () => void socket.destroy() };
}

/** Closed after use, so that the next call opens another. */
async function newConnection(pool: BrokerPool) {
  const lease = await pool.acquire();
  return { socket: lease.socket, route: lease.route, letGo: () => lease.destroy() };
}

async function pooledConnection(pool: BrokerPool) {
  const lease = await pool.acquire();
  return { socket: lease.socket, letGo: () => lease.release() };
}

async function runContender(
  contender: Contender,
  connects: number,
  { signal, stderr }: Pick<CommandIo, 'signal' | 'stderr'>,
): Promise<RecordableHistogram> {
  const histogram = createHistogram();
  // Fills the endpoint cache, and starts the wait thread where handoffs are waited for. Any route will do.
  (await contender.open()).letGo();
  const progress = startProgress(stderr);
  // A short demo warms up in proportion: a caller of few connections wants a quick end.
  const uncounted = Math.min(2 * connects, WARM_UP);
  try {
    for (let made = 1; made <= uncounted + connects; made++) {
      signal.throwIfAborted();
      const elapsedNs = await oneConnection(contender);
      if (made > uncounted) histogram.record(elapsedNs);
      progress.show(contender.label, made / (uncounted + connects));
    }
  } finally {
    progress.clear();
  }
  return histogram;
}

/**
 * How long it took to get a connection, in nanoseconds. That the connection works is checked afterwards, off
 * the clock.
 */
async function oneConnection(contender: Contender): Promise<bigint> {
  const startedMs = monotonicNowMs();
  const { socket, route, letGo } = await contender.open();
  const elapsedNs = BigInt(Math.round((monotonicNowMs() - startedMs) * 1_000_000));
  if (route !== contender.route)
    throw new Error(`${contender.label}: the connection came by ${route ?? 'no route'}`);
  socket.write('ping');
  const [answer]: Buffer[] = await once(socket, 'data');
  if (String(answer) !== 'ping') throw new Error(`${contender.label}: the echo said ${String(answer)}`);
  letGo();
  return elapsedNs;
}

function microseconds(histogram: RecordableHistogram) {
  const [p50Us = 0, p90Us = 0, p99Us = 0] = [50, 90, 99].map(
    (percentile) => histogram.percentile(percentile) / 1_000,
  );
  return { p50Us, p90Us, p99Us };
}

function resultTable(results: readonly [Contender, RecordableHistogram][]): string {
  const titles = ['count', 'p50 µs', 'p90 µs', 'p99 µs'].map((title) => title.padStart(10));
  const lines = results.map(([{ label }, histogram]) => {
    const figures = Object.values(microseconds(histogram)).map((figure) => figure.toFixed(1).padStart(10));
    return `${label.padEnd(30)}${String(histogram.count).padStart(10)}${figures.join('')}`;
  });
  return [`\n${'time to a usable connection'.padEnd(30)}${titles.join('')}`, ...lines].join('\n');
}
