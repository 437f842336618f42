import type { Route } from '../../src/index.js';
import { spawnTestSystem, type SpawnedTestSystem } from '../../src/testing/index.js';
import { selectByName } from '../harness/arguments.js';
import type { BenchCase, BenchContext } from '../harness/case.js';
import { askProgram } from '../harness/child.js';
import { short } from '../harness/print.js';
import { startProgram } from '../harness/program.js';
import type { Table } from '../harness/result.js';
import { alternate } from '../harness/rounds.js';
import { buildIn, THIS_BUILD } from '../peers/build.js';
import { OURS } from '../peers/lenders.js';
import { WEIGHING_OPTIONS } from './idle-connections.js';
import { startSystem, type BenchSystem } from '../peers/system.js';
import type { ConnectAnswer, ConnectTask } from '../programs/connect.js';
import type { HoldAnswer, HoldTask } from '../programs/hold.js';
import type { LendTask } from '../programs/lend.js';

const THIS = 'this build';
const OTHER = 'the other build';
/** Most that a change may cost. */
const ALLOWED = 1.03;
const WEIGHED_CONNECTIONS = 4_000;

/** The systems that all rows share. */
interface Systems {
  /** The embedded broker and backend, for what is not about the broker. */
  readonly embedded: SpawnedTestSystem;
  readonly plain: BenchSystem;
  readonly handingOff: BenchSystem;
}

/** Something that each build does in a process of its own. */
interface Contest {
  readonly name: string;
  readonly unit: string;
  readonly turn: (systems: Systems, build: string) => Promise<number>;
}

const CONTESTS: readonly Contest[] = [
  lend('acquire and release, one caller', { callers: 1, max: 10 }),
  lend('tryAcquire and release', { callers: 1, max: 10, synchronous: true }),
  lend('acquire and release, 100 callers for 10 connections', { callers: 100, max: 10 }),
  { name: 'memory of an idle connection', unit: 'bytes', turn: weigh },
  ...[1, 16].map((callers) => connect('Hello-skip', callers, 'hello-skip', ({ plain }) => plain)),
  ...[1, 16].map((callers) => connect('negotiated', callers, 'broker-negotiated', ({ plain }) => plain)),
  connect('negotiated beside a handoff endpoint', 1, 'broker-negotiated', ({ handingOff }) => handingOff),
  connect('handoff', 1, 'handle-passed', ({ handingOff }) => handingOff),
];

/** What has a change made slower? Runs where another build is named, and then alone. */
export const builds: BenchCase = {
  name: 'builds',
  question: 'What does this build do slower than the other one?',
  budgetMs: 280_000,
  async run(context) {
    if (context.against === undefined) throw new Error('builds needs --against');
    const other = buildIn(context.against);
    const contests = selectByName(CONTESTS, context.filters);
    await using embedded = await spawnTestSystem({ handoff: 'none', backlog: WEIGHED_CONNECTIONS });
    await using plain = await startSystem(context.rustProgram, 'none');
    await using handingOff = await startSystem(context.rustProgram, 'accept');
    const tables: Table[] = [];
    const systems = { embedded, plain, handingOff };
    for (const contest of contests)
      tables.push(await compare(context, contest, contests.length, systems, other));
    return {
      tables,
      notes: [
        `The builds take turns, each turn in a process of its own; both are beside the same ${plain.brokerName}.`,
        'On a busy machine the fastest rounds tell more than the middle ones:',
        ...tables.map(describeFastest),
      ],
    };
  },
};

async function compare(
  context: BenchContext,
  contest: Contest,
  contests: number,
  systems: Systems,
  other: string,
): Promise<Table> {
  const contenders = [
    { name: THIS, build: THIS_BUILD },
    { name: OTHER, build: other },
  ];
  const budgetMs = builds.budgetMs / contests;
  const rounds = await alternate(context, contest.name, contenders, budgetMs, ({ build }) =>
    contest.turn(systems, build),
  );
  return {
    title: contest.name,
    unit: contest.unit,
    better: 'lower',
    baseline: OTHER,
    rows: [
      { name: THIS, role: 'ours', rounds: rounds.get(THIS) ?? [] },
      { name: OTHER, role: 'peer', rounds: rounds.get(OTHER) ?? [] },
    ],
    targets: [{ row: THIS, against: OTHER, atMost: ALLOWED }],
  };
}

function describeFastest({ title, unit, rows }: Table): string {
  const [ours = Number.NaN, theirs = Number.NaN] = rows.map(({ rounds }) => Math.min(...rounds));
  return `${title}: ${short(ours)} and ${short(theirs)} ${unit}, ${short(ours / theirs)} ×`;
}

function lend(name: string, how: Pick<LendTask, 'callers' | 'max' | 'synchronous'>): Contest {
  return {
    name,
    unit: 'ns',
    turn: ({ embedded }, build) => {
      const task: LendTask = { lender: OURS, ...how, target: embedded.target, build };
      return askProgram<number>('lend', task);
    },
  };
}

async function weigh({ embedded }: Systems, build: string): Promise<number> {
  const { backend, target } = embedded;
  const held = { connections: WEIGHED_CONNECTIONS, parksThread: false } as const;
  const task: HoldTask = { who: 'pool', target, backendEndpoint: backend.endpoint, build, ...held };
  await using program = await startProgram<HoldAnswer>('hold', task, WEIGHING_OPTIONS);
  const { all, heap } = program.ready;
  return all ?? heap;
}

type SystemOf = (systems: Systems) => BenchSystem;

function connect(what: string, callers: number, route: Route, systemOf: SystemOf): Contest {
  return {
    name: `${what}, ${callers} caller${callers === 1 ? '' : 's'}`,
    unit: 'µs',
    turn: async (systems, build) => {
      const { rust, target } = systemOf(systems);
      const options: ConnectTask['options'] = {
        ...target,
        max: callers,
        maxConnecting: callers,
        adoptHandedOffConnection: route === 'handle-passed',
        ...(route !== 'hello-skip' && { endpointCache: false }),
      };
      const task: ConnectTask = { build, options, route, callers, paced: rust === undefined };
      const { median, mean } = await askProgram<ConnectAnswer>('connect', task);
      return callers === 1 ? median : mean;
    },
  };
}
