import { setTimeout as delay } from 'node:timers/promises';
import { connectLocalSocket, sendAdminRequest } from '../../src/index.js';
import { spawnTestSystem, type SpawnedTestSystem } from '../../src/testing/index.js';
import type { BenchCase, BenchContext } from '../harness/case.js';
import type { Row, Table } from '../harness/result.js';
import { alternate } from '../harness/rounds.js';
import {
  BARE,
  bareConnector,
  naiveConnector,
  oneShotConnector,
  pacedCloserOf,
  POOL,
  poolConnector,
  renamed,
  type Connected,
  type ConnectorContender,
} from '../peers/connectors.js';

const BACKLOG = 16;
const BURST = 500;
/** Time of the listener's other work while the burst arrives. */
const PAUSE_MS = 50;
const STOP_MS = 10;
const TURN_LIMIT_MS = 10_000;
const LOCAL = 'connectLocalSocket';

/** How many connects does a burst lose? */
export const backlogBursts: BenchCase = {
  name: 'backlog-bursts',
  question: `Of ${BURST} connects at once to a listener with a backlog of ${BACKLOG}, how many fail?`,
  budgetMs: 15_000,
  async run(context) {
    await using system = await spawnTestSystem({ handoff: 'none', backlog: BACKLOG });
    return {
      tables: [
        await measure(context, system, `busy elsewhere for ${PAUSE_MS} ms`, () => stopServers(system)),
        await measure(context, system, 'accepting all the time', async () => () => {}),
      ],
      notes: [
        'A Unix connect to a full backlog fails at once with EAGAIN; there is nothing to poll for, and net.connect reports it as an error.',
        `The busy listener is a stopped process (SIGSTOP), as good as one not scheduled; ${BURST} connects begin within one turn of the loop.`,
      ],
    };
  },
};

/** Begins an obstacle before a burst, and returns the function that ends it. */
type Preparation = () => Promise<() => void>;

/**
 * Until both have accepted all that earlier bursts left in their backlogs: they accept in the order of
 * arrival.
 */
async function catchUp({ backend, target }: SpawnedTestSystem): Promise<void> {
  await sendAdminRequest({ brokerEndpoint: target.brokerEndpoint, verb: 'HEALTHZ' });
  await pacedCloserOf(await connectLocally(backend.endpoint))();
}

async function stopServers({ backend, broker }: SpawnedTestSystem): Promise<() => void> {
  backend.pause();
  broker.pause();
  // The signal takes its time to arrive.
  await delay(STOP_MS);
  return () => {
    backend.resume();
    broker.resume();
  };
}

async function measure(
  context: BenchContext,
  system: SpawnedTestSystem,
  title: string,
  prepare: Preparation,
): Promise<Table> {
  const { backend, target } = system;
  const pool = { ...target, max: BURST, maxConnecting: BURST };
  await using skipping = renamed(poolConnector(pool), `${POOL}, Hello-skip`);
  await using asking = renamed(poolConnector({ ...pool, endpointCache: false }), `${POOL}, negotiated`);
  // Before the burst: the pool has to know the endpoint in order to skip the Hello, and where it knows
  // nothing it asks only once.
  for (const connector of [skipping, asking]) (await connector.connect()).close();
  const local: ConnectorContender = {
    ...bareConnector(''),
    name: LOCAL,
    role: 'ours',
    connect: () => connectLocally(backend.endpoint),
  };
  const contenders = [
    skipping,
    asking,
    oneShotConnector(target),
    local,
    naiveConnector(target),
    bareConnector(backend.endpoint),
  ];
  const failures = await alternate(
    context,
    title,
    contenders,
    backlogBursts.budgetMs / 2,
    async (contender) => {
      await catchUp(system);
      return await burst(contender, prepare);
    },
  );
  const rows = contenders.map(({ name, role }): Row => ({ name, role, rounds: failures.get(name) ?? [] }));
  const targets = rows
    .filter(({ role }) => role === 'ours')
    .map(({ name }) => ({ row: name, against: BARE, atMost: 0 }));
  return { title, unit: `failed of ${BURST}`, better: 'lower', baseline: BARE, rows, targets };
}

/** Counts failures. Connections stay open until the last connect has an outcome. */
async function burst({ connect, name }: ConnectorContender, prepare: Preparation): Promise<number> {
  const end = await prepare();
  setTimeout(end, PAUSE_MS);
  const limit = setTimeout(() => {
    throw new Error(`${name}: a burst of ${BURST} did not end within ${TURN_LIMIT_MS} ms`);
  }, TURN_LIMIT_MS);
  const outcomes = await Promise.allSettled(Array.from({ length: BURST }, connect));
  clearTimeout(limit);
  for (const outcome of outcomes) if (outcome.status === 'fulfilled') outcome.value.close();
  return outcomes.filter(({ status }) => status === 'rejected').length;
}

async function connectLocally(endpoint: string): Promise<Connected> {
  const socket = await connectLocalSocket(endpoint);
  return { socket, route: undefined, close: () => void socket.destroy() };
}
