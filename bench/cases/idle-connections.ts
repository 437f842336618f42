import { setTimeout as delay } from 'node:timers/promises';
import { spawnTestSystem, type SpawnedTestSystem } from '../../src/testing/index.js';
import type { BenchCase, BenchContext } from '../harness/case.js';
import { whole } from '../harness/print.js';
import { activityOf, hasProc, type Activity } from '../harness/proc.js';
import { startProgram, type RunningProgram } from '../harness/program.js';
import type { Table, Target } from '../harness/result.js';
import { alternate, FEWEST_ROUNDS } from '../harness/rounds.js';
import type { HoldAnswer, HoldTask } from '../programs/hold.js';

/** Watched for what they do. */
const CONNECTIONS = 1_000;
/** Weighed: many, because what V8 keeps for its next work is divided by their number. */
const WEIGHED_CONNECTIONS = 4_000;
/** For what ends some seconds after the last connect, once. */
const SETTLE_MS = 6_000;
/**
 * V8 tidies up when nothing has happened for a while, with all its threads; that is not the connections'
 * doing.
 */
const NODE_OPTIONS = ['--expose-gc', '--no-memory-reducer'];
/**
 * Compiles no machine code: how much of it there is depends on what else runs while the connections open, and it was a
 * twentieth of what was weighed.
 */
export const WEIGHING_OPTIONS: readonly string[] = [...NODE_OPTIONS, '--no-opt', '--no-sparkplug'];
const WATCH_MS = 3_000;

const POOL = 'BrokerPool, idle';
const BARE = 'bare net.Socket';

interface Holder {
  readonly name: string;
  readonly role: 'ours' | 'floor';
  readonly who: HoldTask['who'];
}

const HOLDERS: readonly Holder[] = [
  { name: POOL, role: 'ours', who: 'pool' },
  { name: BARE, role: 'floor', who: 'bare' },
];

/** What do unused connections cost? */
export const idleConnections: BenchCase = {
  name: 'idle-connections',
  question: 'What do pooled idle connections cost in memory and processor time, beside as many bare sockets?',
  budgetMs: 55_000,
  pictures: ['bars'],
  async run(context) {
    // A bare connect does not wait for a place in the backlog, and opening is not what is weighed.
    await using system = await spawnTestSystem({ handoff: 'none', backlog: WEIGHED_CONNECTIONS });
    const memory = await measureMemory(context, system);
    const activity = hasProc ? await measureActivity(context, system) : [];
    return {
      tables: [...memory, ...activity],
      notes: [
        `Memory in use with ${whole(WEIGHED_CONNECTIONS)} connections after collections, without machine code; native memory as the C library counts it.`,
        ...(hasProc
          ? [
              `Wake-ups and processor time: all threads, the pool's parked wait thread among them, ${whole(CONNECTIONS)} connections, ${SETTLE_MS / 1_000} s after the last connect, V8's tidying off`,
            ]
          : ['Wake-ups are counted on Linux only.']),
      ],
    };
  },
};

function hold(
  { backend, target }: SpawnedTestSystem,
  { who }: Holder,
  connections: number,
  parksThread: boolean,
  nodeOptions: readonly string[],
): Promise<RunningProgram<HoldAnswer>> {
  const task: HoldTask = { who, target, backendEndpoint: backend.endpoint, connections, parksThread };
  return startProgram<HoldAnswer>('hold', task, nodeOptions);
}

async function measureMemory(context: BenchContext, system: SpawnedTestSystem): Promise<Table[]> {
  const answers = await alternate(
    context,
    'memory',
    HOLDERS,
    idleConnections.budgetMs / 2,
    async (holder) => {
      await using program = await hold(system, holder, WEIGHED_CONNECTIONS, false, WEIGHING_OPTIONS);
      return program.ready;
    },
  );
  const table = (title: string, key: keyof HoldAnswer, targets: readonly Target[]): Table => ({
    title,
    unit: 'bytes',
    better: 'lower',
    baseline: BARE,
    rows: HOLDERS.map(({ name, role }) => ({
      name,
      role,
      rounds: (answers.get(name) ?? []).map((answer) => answer[key] ?? Number.NaN),
    })),
    targets,
  });
  const all = table('heap and native memory for each connection', 'all', [
    { row: POOL, against: BARE, atMost: 1.1 },
  ]);
  const heap = table('heap alone, for each connection', 'heap', []);
  return all.rows.every(({ rounds }) => rounds.every(Number.isFinite)) ? [all, heap] : [heap];
}

/** Both at once: neither has anything to do, so neither is in the other's way. */
async function measureActivity(context: BenchContext, system: SpawnedTestSystem): Promise<Table[]> {
  const programs = await Promise.all(
    HOLDERS.map((holder) => hold(system, holder, CONNECTIONS, true, NODE_OPTIONS)),
  );
  const windows: Activity[][] = HOLDERS.map(() => []);
  try {
    context.progress('waiting for the processes to settle');
    await delay(SETTLE_MS);
    for (let round = 0; round < Math.min(context.rounds, FEWEST_ROUNDS); round++) {
      context.progress(`watching idle processes: round ${round + 1}`);
      const before = programs.map(({ pid }) => activityOf(pid));
      await delay(WATCH_MS);
      for (const [index, { pid }] of programs.entries())
        windows[index]?.push(difference(activityOf(pid), before[index]));
    }
  } finally {
    await Promise.all(programs.map((program) => program[Symbol.asyncDispose]()));
  }
  const table = (title: string, unit: string, key: keyof Activity): Table => ({
    title,
    unit,
    better: 'lower',
    baseline: BARE,
    rows: HOLDERS.map(({ name, role }, index) => ({
      name,
      role,
      rounds: (windows[index] ?? []).map((window) => window[key]),
    })),
    targets: [{ row: POOL, against: BARE, atMost: 1 }],
  });
  const seconds = WATCH_MS / 1_000;
  return [
    table(`wake-ups in ${seconds} s`, 'times', 'sleeps'),
    table(`processor time in ${seconds} s`, 'µs', 'cpuUs'),
  ];
}

function difference(after: Activity, before: Activity | undefined): Activity {
  return { sleeps: after.sleeps - (before?.sleeps ?? 0), cpuUs: after.cpuUs - (before?.cpuUs ?? 0) };
}
