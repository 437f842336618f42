import type { BenchCase } from '../harness/case.js';
import { closedLoop, type Turn, type TurnLength } from '../harness/closed-loop.js';
import { alternate } from '../harness/rounds.js';
import { latencyRow } from '../harness/rows.js';
import type { TestTarget } from '../../src/testing/index.js';
import type { Role } from '../harness/result.js';
import { checkConnector, closerOf, oneShotConnector, type ConnectorContender } from '../peers/connectors.js';
import { startNodeSystem } from '../peers/frame-systems.js';
import { startSystem } from '../peers/system.js';

const WARM_UP: TurnLength = { operations: 20, milliseconds: 100 };
const TURN: TurnLength = { operations: 20, milliseconds: 300 };

const NODE = 'accepted by a Node backend';
const RUST = 'accepted by the Rust backend';

/** How long does a handoff take that a Node backend accepts? */
export const backendHandoffs: BenchCase = {
  name: 'backend-handoffs',
  question: 'How long does a client wait for a connection that the broker hands over to a Node backend?',
  budgetMs: 10_000,
  pictures: ['bars'],
  async run(context) {
    const { rustProgram } = context;
    await using node = await startNodeSystem(rustProgram, 'accept');
    await using rust = rustProgram === undefined ? undefined : await startSystem(rustProgram, 'accept');
    const connectors = [adopting(NODE, 'ours', node.target)];
    if (rust !== undefined) connectors.push(adopting(RUST, 'peer', rust.target));
    for (const connector of connectors) await checkConnector(connector, 'handle-passed');
    const turn = ({ connect }: ConnectorContender, length: TurnLength): Promise<Turn> =>
      closedLoop(async () => closerOf(await connect()), 1, length);
    for (const connector of connectors) await turn(connector, WARM_UP);
    const title = rustProgram === undefined ? 'embedded broker' : 'real broker';
    const turns = await alternate(context, title, connectors, backendHandoffs.budgetMs, (connector) => {
      return turn(connector, TURN);
    });
    for (const connector of connectors) await connector[Symbol.asyncDispose]();
    const hasPeer = connectors.length > 1;
    return {
      tables: [
        {
          title: `handle-passed, 1 caller, ${title}`,
          unit: 'µs',
          better: 'lower',
          baseline: hasPeer ? RUST : NODE,
          rows: connectors.map(({ name, role }) => latencyRow(name, role, turns.get(name) ?? [])),
          ...(hasPeer ? { targets: [{ row: NODE, against: RUST, atMost: 1.05 }] } : {}),
        },
      ],
      notes: ['The same client and broker; only the process that accepts the offer differs.'],
    };
  },
};

function adopting(name: string, role: Role, target: TestTarget): ConnectorContender {
  return { ...oneShotConnector({ ...target, adoptHandedOffConnection: true }), name, role };
}
