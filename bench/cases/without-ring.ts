import type { BenchCase, BenchContext } from '../harness/case.js';
import { askProgram } from '../harness/child.js';
import type { Table } from '../harness/result.js';
import { alternate } from '../harness/rounds.js';
import { THIS_BUILD } from '../peers/build.js';
import { POOL } from '../peers/connectors.js';
import { startSystem, type BenchSystem } from '../peers/system.js';
import type { ConnectTask } from '../programs/connect.js';

const CALLERS: readonly number[] = [1, 16];
const WITHOUT = 'BrokerPool, no io_uring';

interface Contender {
  readonly name: string;
  readonly env: NodeJS.ProcessEnv;
}

const CONTENDERS: readonly Contender[] = [
  { name: POOL, env: {} },
  { name: WITHOUT, env: { BROKER_POOL_IO_URING: '0' } },
];

/** What does a negotiation take in a container? */
export const withoutRing: BenchCase = {
  name: 'without-io-uring',
  question: 'What does a negotiation take where the kernel allows no io_uring, as in most containers?',
  budgetMs: 20_000,
  pictures: [],
  async run(context) {
    await using system = await startSystem(context.rustProgram, 'none');
    const tables: Table[] = [];
    for (const callers of CALLERS) tables.push(await measure(context, system, callers));
    return {
      tables,
      notes: [
        'Each figure is from a process of its own: of one caller the median, of 16 the time of all by their connects.',
        'Without io_uring the connect and the Hello are two system calls. A broker that looks in between sleeps 5 ms.',
      ],
    };
  },
};

async function measure(context: BenchContext, system: BenchSystem, callers: number): Promise<Table> {
  const title = `negotiated, ${callers} caller${callers === 1 ? '' : 's'}, ${system.brokerName}`;
  const options = { ...system.target, max: callers, maxConnecting: callers, endpointCache: false } as const;
  const task: ConnectTask = {
    build: THIS_BUILD,
    options,
    route: 'broker-negotiated',
    callers,
    paced: system.rust === undefined,
  };
  const budgetMs = withoutRing.budgetMs / CALLERS.length;
  const rounds = await alternate(context, title, CONTENDERS, budgetMs, ({ env }) =>
    askProgram<number>('connect', task, { env }),
  );
  return {
    title,
    unit: 'µs',
    better: 'lower',
    baseline: POOL,
    rows: CONTENDERS.map(({ name }) => ({ name, role: 'ours', rounds: rounds.get(name) ?? [] })),
  };
}
