import { setTimeout as delay } from 'node:timers/promises';
import { spawnTestSystem, type SpawnedTestSystem } from '../../src/testing/index.js';
import type { BenchCase, BenchContext } from '../harness/case.js';
import { activityOf, hasProc, type Activity } from '../harness/proc.js';
import { startProgram, type RunningProgram } from '../harness/program.js';
import type { Table } from '../harness/result.js';
import { alternate } from '../harness/rounds.js';
import type { HoldAnswer, HoldTask } from '../programs/hold.js';

const CONNECTIONS = 1_000;
/** V8 tidies up for some seconds after work; that is not the connections' doing. */
const SETTLE_MS = 9_000;
const WATCH_MS = 3_000;

const POOL = `BrokerPool, ${CONNECTIONS.toLocaleString('en-US')} idle`;
const BARE = `${CONNECTIONS.toLocaleString('en-US')} bare net.Socket`;

interface Holder {
  readonly name: string;
  readonly role: 'ours' | 'floor';
  readonly who: HoldTask['who'];
}

const HOLDERS: readonly Holder[] = [
  { name: POOL, role: 'ours', who: 'pool' },
  { name: BARE, role: 'floor', who: 'bare' },
];

/** What do connections cost that nobody uses? */
export const idleConnections: BenchCase = {
  name: 'idle-connections',
  question: `What do ${CONNECTIONS.toLocaleString('en-US')} pooled idle connections cost in memory and processor time, beside as many bare sockets?`,
  budgetMs: 50_000,
  async run(context) {
    await using system = await spawnTestSystem({ handoff: 'none' });
    const memory = await measureMemory(context, system);
    const activity = hasProc ? await measureActivity(context, system) : [];
    return {
      tables: [...memory, ...activity],
      notes: [
        'Heap: used heap and external memory after collections. Resident: what the process took from the system, buffers of the allocator included.',
        ...(hasProc
          ? [`Wake-ups and processor time of all threads within ${WATCH_MS / 1_000} s, seen from outside, ${SETTLE_MS / 1_000} s after the last connect.`]
          : ['Wake-ups are counted on Linux only.']),
      ],
    };
  },
};

function hold({ backend, target }: SpawnedTestSystem, { who }: Holder): Promise<RunningProgram<HoldAnswer>> {
  const task: HoldTask = { who, target, backendEndpoint: backend.endpoint, connections: CONNECTIONS };
  return startProgram<HoldAnswer>('hold', task, ['--expose-gc']);
}

async function measureMemory(context: BenchContext, system: SpawnedTestSystem): Promise<Table[]> {
  const answers = await alternate(context, 'memory', HOLDERS, idleConnections.budgetMs / 2, async (holder) => {
    await using program = await hold(system, holder);
    return program.ready;
  });
  const table = (title: string, key: keyof HoldAnswer): Table => ({
    title,
    unit: 'bytes',
    better: 'lower',
    baseline: BARE,
    rows: HOLDERS.map(({ name, role }) => ({ name, role, rounds: (answers.get(name) ?? []).map((answer) => answer[key]) })),
    targets: [{ row: POOL, against: BARE, atMost: 1.2 }],
  });
  return [table('heap for each connection', 'heap'), table('resident memory for each connection', 'resident')];
}

/** Both at once: neither has anything to do, so neither is in the other's way. */
async function measureActivity(context: BenchContext, system: SpawnedTestSystem): Promise<Table[]> {
  const programs = await Promise.all(HOLDERS.map((holder) => hold(system, holder)));
  const windows: Activity[][] = HOLDERS.map(() => []);
  try {
    context.progress('waiting for the processes to settle');
    await delay(SETTLE_MS);
    for (let round = 0; round < Math.min(context.rounds, 3); round++) {
      context.progress(`watching idle processes: round ${round + 1}`);
      const before = programs.map(({ pid }) => activityOf(pid));
      await delay(WATCH_MS);
      for (const [index, { pid }] of programs.entries()) windows[index]?.push(difference(activityOf(pid), before[index]));
    }
  } finally {
    await Promise.all(programs.map((program) => program[Symbol.asyncDispose]()));
  }
  const table = (title: string, unit: string, key: keyof Activity): Table => ({
    title,
    unit,
    better: 'lower',
    baseline: BARE,
    rows: HOLDERS.map(({ name, role }, index) => ({ name, role, rounds: (windows[index] ?? []).map((window) => window[key]) })),
    targets: [{ row: POOL, against: BARE, atMost: 1 }],
  });
  const seconds = WATCH_MS / 1_000;
  return [table(`wake-ups in ${seconds} s`, 'times', 'sleeps'), table(`processor time in ${seconds} s`, 'µs', 'cpuUs')];
}

function difference(after: Activity, before: Activity | undefined): Activity {
  return { sleeps: after.sleeps - (before?.sleeps ?? 0), cpuUs: after.cpuUs - (before?.cpuUs ?? 0) };
}
