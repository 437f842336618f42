import type { BrokerPoolOptions } from '../../src/index.js';
import type { BenchCase, BenchContext } from '../harness/case.js';
import { closedLoop, type Turn, type TurnLength } from '../harness/closed-loop.js';
import type { Table } from '../harness/result.js';
import { alternate } from '../harness/rounds.js';
import { latencyRow } from '../harness/rows.js';
import {
  checkConnector,
  closerOf,
  ONE_SHOT,
  oneShotConnector,
  pacedCloserOf,
  POOL,
  poolConnector,
  renamed,
  type ConnectorContender,
} from '../peers/connectors.js';
import { startSystem, type BenchSystem } from '../peers/system.js';

const CALLERS: readonly number[] = [1, 16];
const WARM_UP_MS = 150;
const TURN_MS = 120;
const AUTO = 'BrokerPool, adopting if faster';

const beside = (name: string): string => `${name}, handoff endpoint`;
const without = (name: string): string => `${name}, none`;

/** What does a handoff endpoint cost the clients that adopt nothing? */
export const handoffEndpoint: BenchCase = {
  name: 'handoff-endpoint',
  question: 'What does a client that adopts nothing pay for a broker that could hand its connection off?',
  budgetMs: 15_000,
  pictures: ['bars'],
  async run(context) {
    await using plain = await startSystem(context.rustProgram, 'none');
    await using handingOff = await startSystem(context.rustProgram, 'accept');
    const tables: Table[] = [];
    for (const callers of CALLERS) tables.push(await measure(context, plain, handingOff, callers));
    return {
      tables,
      notes: [
        'Two brokers of the same kind, one with a handoff endpoint and one without; each connect asks its broker.',
        'A broker hands off for every client whose Hello says that it can take a handle, whether or not it adopts.',
      ],
    };
  },
};

async function measure(
  context: BenchContext,
  plain: BenchSystem,
  handingOff: BenchSystem,
  callers: number,
): Promise<Table> {
  const connectors = [...connectorsOf(handingOff, callers, beside), ...connectorsOf(plain, callers, without)];
  for (const connector of connectors) {
    // Which route `'auto'` takes is its own choice.
    await checkConnector(connector, connector.name.startsWith(AUTO) ? undefined : 'broker-negotiated');
  }
  const cleanUp = plain.rust === undefined ? pacedCloserOf : closerOf;
  const turn = ({ connect }: ConnectorContender, length: TurnLength): Promise<Turn> => {
    return closedLoop(async () => cleanUp(await connect()), callers, length);
  };
  for (const connector of connectors)
    await turn(connector, { operations: callers, milliseconds: WARM_UP_MS });
  const title = `negotiated, ${callers} caller${callers === 1 ? '' : 's'}, ${plain.brokerName}`;
  const budgetMs = handoffEndpoint.budgetMs / CALLERS.length;
  const turns = await alternate(context, title, connectors, budgetMs, (connector) => {
    return turn(connector, { operations: 2 * callers, milliseconds: TURN_MS });
  });
  for (const connector of connectors) await connector[Symbol.asyncDispose]();
  return {
    title,
    unit: 'µs',
    better: 'lower',
    baseline: without(POOL),
    rows: connectors.map(({ name }, index) =>
      latencyRow(name, index < connectors.length / 2 ? 'ours' : 'floor', turns.get(name) ?? []),
    ),
    targets: [POOL, ONE_SHOT, AUTO].map((name) => ({
      row: beside(name),
      against: without(name),
      atMost: 1.2,
    })),
  };
}

type NameOf = (name: string) => string;

function connectorsOf({ target }: BenchSystem, callers: number, nameOf: NameOf): ConnectorContender[] {
  const options: BrokerPoolOptions = {
    ...target,
    max: callers,
    maxConnecting: callers,
    endpointCache: false,
  };
  const auto = renamed(poolConnector({ ...options, adoptHandedOffConnection: 'auto' }), AUTO);
  return [poolConnector(options), oneShotConnector(target), auto].map((connector) =>
    renamed(connector, nameOf(connector.name)),
  );
}
