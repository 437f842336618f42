import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BrokerPool } from '../../src/index.js';
import type { BenchCase } from '../harness/case.js';
import { askProgram } from '../harness/child.js';
import type { Role, Table, Target } from '../harness/result.js';
import { alternate } from '../harness/rounds.js';
import { startSystem } from '../peers/system.js';
import { BARE, BARE_NEGOTIATION, NAIVE, ONE_SHOT } from '../peers/connectors.js';
import { helloFrame } from '../peers/naive-client.js';
import type { ColdAnswer, ColdTask } from '../programs/cold-start.js';

const POOL = 'BrokerPool, first lease';
const BY_THREAD = 'BrokerPool, first lease by handoff';
const FROM_FILE = 'BrokerPool, first lease, endpoint in the file';
const ONE_SHOT_FROM_FILE = `${ONE_SHOT}, endpoint in the file`;
/** One start says little. */
const STARTS_PER_ROUND = 3;

interface Starter {
  readonly name: string;
  readonly role: Role;
  readonly who: ColdTask['who'];
}

const STARTERS: readonly Starter[] = [
  { name: POOL, role: 'ours', who: 'pool' },
  { name: BY_THREAD, role: 'ours', who: 'adopting-pool' },
  { name: FROM_FILE, role: 'ours', who: 'remembering-pool' },
  { name: ONE_SHOT, role: 'ours', who: 'one-shot' },
  { name: ONE_SHOT_FROM_FILE, role: 'ours', who: 'remembering-one-shot' },
  { name: NAIVE, role: 'peer', who: 'naive' },
  { name: BARE_NEGOTIATION, role: 'floor', who: 'bare-negotiation' },
  { name: BARE, role: 'floor', who: 'bare' },
];

/** How long does a new process wait for its first connection? */
export const coldStart: BenchCase = {
  name: 'cold-start',
  question: 'How long does a new process take to its first connection?',
  budgetMs: 30_000,
  pictures: ['bars'],
  async run(context) {
    await using plain = await startSystem(context.rustProgram);
    // Another one: where a backend takes connections over, every Hello costs a handoff (C-03).
    await using adopting = await startSystem(context.rustProgram, 'accept');
    const { brokerName } = plain;
    const directory = await mkdtemp(join(tmpdir(), 'broker-pool-bench-'));
    const file = join(directory, 'endpoints.json');
    const first = new BrokerPool({ ...plain.target, endpointCache: { file } });
    await first.use(() => {});
    await first.close();
    const answers = await alternate(context, 'cold start', STARTERS, coldStart.budgetMs, async ({ who }) => {
      const { target, backendEndpoint } = who === 'adopting-pool' ? adopting : plain;
      const hello = Buffer.from(helloFrame(target, 0)).toString('base64');
      const task: ColdTask = { who, target, backendEndpoint, hello, file };
      const starts: ColdAnswer[] = [];
      for (let start = 0; start < STARTS_PER_ROUND; start++) {
        starts.push(await askProgram<ColdAnswer>('cold-start', task));
      }
      return fastest(starts);
    });
    await rm(directory, { recursive: true });
    const table = (title: string, key: keyof ColdAnswer, targets: readonly Target[] = []): Table => ({
      title: `${title}, ${brokerName}`,
      unit: 'ms',
      better: 'lower',
      baseline: BARE,
      rows: STARTERS.map(({ name, role }) => ({
        name,
        role,
        rounds: (answers.get(name) ?? []).map((answer) => answer[key]),
      })),
      targets,
    });
    return {
      tables: [
        table('constructor to first connection', 'fromCall', [
          { row: POOL, against: BARE, atMost: 1.5 },
          { row: ONE_SHOT, against: BARE, atMost: 1.3 },
        ]),
        table('start of the process to first connection', 'fromStart'),
      ],
      notes: [
        `Each start is a new process; the figure of a round is the fastest of ${STARTS_PER_ROUND}. Loading modules counts in the second table only.`,
        'BrokerPool and connectToBackend negotiate, but where an earlier process has left the endpoint in the file; bare net.connect knows it.',
        'The bare sockets make the two connects of a negotiation and wait for the broker. They connect and send in two calls: where the broker looks in between, it sleeps 5 ms, so chance decides and a start of ours may be faster.',
        'Negotiations are waited for on the event loop; the wait thread starts with the first handoff.',
      ],
    };
  },
};

/** Whatever else the machine did makes a start slower, never faster. */
function fastest(starts: readonly ColdAnswer[]): ColdAnswer {
  return {
    fromCall: Math.min(...starts.map((start) => start.fromCall)),
    fromStart: Math.min(...starts.map((start) => start.fromStart)),
  };
}
