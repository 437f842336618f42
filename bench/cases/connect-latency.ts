import type { BrokerPoolOptions, Route } from '../../src/index.js';
import type { BenchCase, BenchContext } from '../harness/case.js';
import { closedLoop, type CleanUp, type Turn, type TurnLength } from '../harness/closed-loop.js';
import type { PictureKind, Role, Table, Target } from '../harness/result.js';
import { alternate } from '../harness/rounds.js';
import { latencyRow, throughputRow } from '../harness/rows.js';
import { startSystem, type BenchSystem } from '../peers/system.js';
import {
  BARE,
  bareConnector,
  checkConnector,
  closerOf,
  naiveConnector,
  ONE_SHOT,
  oneShotConnector,
  pacedCloserOf,
  POOL,
  poolConnector,
  type Connected,
  type ConnectorContender,
} from '../peers/connectors.js';
import type { RustRoute } from '../peers/rust-client.js';

const RUST = 'Rust client';
const CALLERS: readonly number[] = [1, 4, 16, 64, 256];
/** Pictures of all five would be five times as long and say little more. */
const IN_PICTURES: readonly number[] = [1, 16];
/** The real broker takes 5 ms for each handoff, one at a time: more callers only wait longer. */
const MOST_HANDOFF_CALLERS = 16;
const WARM_UP_MS = 150;
const TURN_MS = 120;

interface RouteCase {
  readonly title: string;
  readonly route: Route;
  readonly rustRoute: RustRoute;
  /** Our targets for a number of callers, where the Rust client is there. */
  targets(callers: number): { readonly latency?: readonly Target[]; readonly throughput?: readonly Target[] };
}

const ROUTES: readonly RouteCase[] = [
  {
    title: 'Hello-skip',
    route: 'hello-skip',
    rustRoute: 'skip',
    targets: (callers) => {
      if (callers !== 1 && callers !== 16) return {};
      return { latency: [{ row: POOL, against: BARE, atMost: callers === 1 ? 0.8 : 0.5 }] };
    },
  },
  {
    title: 'negotiated',
    route: 'broker-negotiated',
    rustRoute: 'negotiated',
    targets: (callers) => {
      if (callers === 1)
        return { latency: [POOL, ONE_SHOT].map((row) => ({ row, against: RUST, atMost: 1 })) };
      if (callers !== 16) return {};
      return {
        throughput: [
          { row: POOL, against: RUST, atLeast: 1 },
          { row: ONE_SHOT, against: RUST, atLeast: 0.9 },
        ],
      };
    },
  },
  {
    title: 'handoff',
    route: 'handle-passed',
    rustRoute: 'handoff',
    targets: (callers) =>
      callers === 1 || callers === 16 ? { latency: [{ row: POOL, against: RUST, atMost: 1.1 }] } : {},
  },
];

/** A contender's name and role, and how it takes a turn. */
interface Entrant {
  readonly name: string;
  readonly role: Role;
  turn(callers: number, length: TurnLength): Promise<Turn>;
}

/** How long does a connection take, by route and number of callers? */
export const connectLatency: BenchCase = {
  name: 'connect-latency',
  question:
    'How long from "I want a connection" to a usable socket, and how many a second, by route and callers?',
  budgetMs: 75_000,
  pictures: ['bars', 'percentiles'],
  async run(context) {
    const tables: Table[] = [];
    for (const route of ROUTES) tables.push(...(await measureRoute(context, route)));
    return {
      tables,
      notes: [
        'Every contender talks to the same broker and echo backend, in processes of their own; each lease is destroyed: the next needs a connect.',
        'connectToBackend waits on the event loop; BrokerPool does so too, and for handoffs on its worker thread.',
        'Where the question is the Hello, BrokerPool has no endpoint cache.',
        'Throughput includes closing; with the embedded backend also one echo, so that no caller runs ahead of its accepts.',
      ],
    };
  },
};

async function measureRoute(context: BenchContext, route: RouteCase): Promise<Table[]> {
  await using system = await startSystem(
    context.rustProgram,
    route.route === 'handle-passed' ? 'accept' : 'none',
  );
  const tables: Table[] = [];
  const isSlow = system.rust !== undefined && route.route === 'handle-passed';
  const callerCounts = isSlow ? CALLERS.filter((callers) => callers <= MOST_HANDOFF_CALLERS) : CALLERS;
  for (const callers of callerCounts) tables.push(...(await measureCallers(context, system, route, callers)));
  return tables;
}

async function measureCallers(
  context: BenchContext,
  system: BenchSystem,
  route: RouteCase,
  callers: number,
): Promise<Table[]> {
  const title = `${route.title}, ${callers} caller${callers === 1 ? '' : 's'}, ${system.brokerName}`;
  const connectors = connectorsFor(system, route, callers);
  for (const connector of connectors) await checkConnector(connector, route.route);
  // The Rust backend accepts faster than one client can connect, and the Rust client does not wait for an
  // echo either.
  const cleanUp = system.rust === undefined ? pacedCloserOf : closerOf;
  const entrants = [
    ...rustEntrants(system, route),
    ...connectors.map((connector) => entrantFrom(connector, cleanUp)),
  ];
  const budgetMs = connectLatency.budgetMs / (ROUTES.length * CALLERS.length);
  const length: TurnLength = { operations: 2 * callers, milliseconds: TURN_MS };
  // The first turn compiles and opens: it does not count as latency.
  for (const entrant of entrants)
    await entrant.turn(callers, { operations: callers, milliseconds: WARM_UP_MS });
  const turns = await alternate(context, title, entrants, budgetMs, (entrant) =>
    entrant.turn(callers, length),
  );
  for (const connector of connectors) await connector[Symbol.asyncDispose]();
  return tablesOf(title, entrants, turns, route, callers);
}

function tablesOf(
  title: string,
  entrants: readonly Entrant[],
  turns: ReadonlyMap<string, Turn[]>,
  route: RouteCase,
  callers: number,
): Table[] {
  const hasRust = turns.has(RUST);
  const baseline = hasRust && route.route !== 'hello-skip' ? RUST : BARE;
  const { latency = [], throughput = [] } = route.targets(callers);
  const common = { title, baseline } as const;
  return [
    {
      ...common,
      unit: 'µs',
      better: 'lower',
      pictures: latencyPictures(callers),
      rows: entrants.map(({ name, role }) => latencyRow(name, role, turns.get(name) ?? [])),
      targets: latency,
    },
    {
      ...common,
      unit: 'connects/s',
      better: 'higher',
      // For one caller it is what the latency says already.
      pictures: callers > 1 && IN_PICTURES.includes(callers) ? ['bars'] : [],
      rows: entrants.map(({ name, role }) => throughputRow(name, role, turns.get(name) ?? [])),
      targets: throughput,
    },
  ];
}

/** With many callers at a time, connects a second say more than how long one of them takes. */
function latencyPictures(callers: number): readonly PictureKind[] {
  if (!IN_PICTURES.includes(callers)) return [];
  return callers === 1 ? ['bars', 'percentiles'] : ['percentiles'];
}

function connectorsFor(
  { target, backendEndpoint }: BenchSystem,
  { route }: RouteCase,
  callers: number,
): ConnectorContender[] {
  const options: BrokerPoolOptions = {
    ...target,
    max: callers,
    maxConnecting: callers,
    adoptHandedOffConnection: route === 'handle-passed',
  };
  const bare = bareConnector(backendEndpoint);
  if (route === 'hello-skip')
    return [
      poolConnector(options),
      oneShotConnector({ ...target, cachedBackendEndpoint: backendEndpoint }),
      bare,
    ];
  const asking = poolConnector({ ...options, endpointCache: false });
  if (route === 'handle-passed')
    return [asking, oneShotConnector({ ...target, adoptHandedOffConnection: true }), bare];
  return [asking, oneShotConnector(target), naiveConnector(target), bare];
}

function entrantFrom(
  { connect, name, role }: ConnectorContender,
  cleanUp: (connected: Connected) => CleanUp,
): Entrant {
  return {
    name,
    role,
    turn: (callers, length) => closedLoop(async () => cleanUp(await connect()), callers, length),
  };
}

function rustEntrants({ rust }: BenchSystem, { rustRoute }: RouteCase): Entrant[] {
  return rust === undefined
    ? []
    : [{ name: RUST, role: 'peer', turn: (callers, length) => rust.turn(rustRoute, callers, length) }];
}
