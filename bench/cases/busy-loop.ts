import type { BenchCase } from '../harness/case.js';
import { duringBusyTurns } from '../harness/busy-turns.js';
import type { Row } from '../harness/result.js';
import { alternate } from '../harness/rounds.js';
import { latencyRow } from '../harness/rows.js';
import { median } from '../harness/statistics.js';
import { startSystem } from '../peers/system.js';
import {
  bareConnector,
  checkConnector,
  closerOf,
  naiveConnector,
  oneShotConnector,
  POOL,
  poolConnector,
  renamed,
} from '../peers/connectors.js';

const WORK_MS = 5;
const CONNECTS = 40;
const ON_THREAD = 'BrokerPool, on the wait thread';
const ONE_TURN = 'one turn of the loop';

/** How long does a negotiation take while the loop has other work? */
export const busyLoop: BenchCase = {
  name: 'busy-loop',
  question: `How long does a negotiated connect take while the main loop works in turns of ${WORK_MS} ms?`,
  budgetMs: 15_000,
  pictures: ['bars', 'percentiles'],
  async run(context) {
    await using system = await startSystem(context.rustProgram);
    const { backendEndpoint, brokerName, target } = system;
    await using pool = poolConnector({ ...target, max: 1, endpointCache: false });
    // The wait for a handoff is the thread's, also where none is offered.
    await using onThread = renamed(
      poolConnector({ ...target, max: 1, endpointCache: false, adoptHandedOffConnection: true }),
      ON_THREAD,
    );
    const asking = [pool, onThread, oneShotConnector(target), naiveConnector(target)];
    for (const connector of asking) await checkConnector(connector, 'broker-negotiated');
    const connectors = [...asking, bareConnector(backendEndpoint)];
    const results = await alternate(context, 'busy loop', connectors, busyLoop.budgetMs, ({ connect }) => {
      return duringBusyTurns(async () => closerOf(await connect()), CONNECTS, WORK_MS);
    });
    const rows = connectors.map(({ name, role }) => latencyRow(name, role, results.get(name) ?? []));
    const oneTurn: Row = {
      name: ONE_TURN,
      role: 'floor',
      rounds: (results.get(POOL) ?? []).map(({ turnsUs }) => median(turnsUs)),
    };
    return {
      tables: [
        {
          title: `negotiated, loop busy, ${brokerName}`,
          unit: 'µs',
          better: 'lower',
          baseline: ONE_TURN,
          rows: [...rows, oneTurn],
          targets: [POOL, ON_THREAD].map((row) => ({ row, against: ONE_TURN, atMost: 1.3 })),
        },
      ],
      notes: [
        `One caller, ${CONNECTS} connects a round; each begins right before the loop works for ${WORK_MS} ms, so that no connect is done within less.`,
      ],
    };
  },
};
