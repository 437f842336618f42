import type { BenchCase } from '../harness/case.js';
import { closedLoop } from '../harness/closed-loop.js';
import type { Row } from '../harness/result.js';
import { alternate } from '../harness/rounds.js';
import { latencyRow } from '../harness/rows.js';
import { median } from '../harness/statistics.js';
import { startSystem } from '../harness/system.js';
import { bareConnector, checkConnector, closerOf, naiveConnector, oneShotConnector, POOL, poolConnector } from '../peers/connectors.js';

const TURN_MS = 5;
const CONNECTS = 60;
const ONE_TURN = 'one turn of the loop';

/** Keeps the event loop busy until it is told to stop; tells how long its turns were, in microseconds. */
function keepBusy(): { stop(): number[] } {
  const turnsUs: number[] = [];
  let next: NodeJS.Immediate;
  let lastMs = performance.now();
  const work = (): void => {
    const beginMs = performance.now();
    turnsUs.push((beginMs - lastMs) * 1_000);
    lastMs = beginMs;
    while (performance.now() - beginMs < TURN_MS);
    next = setImmediate(work);
  };
  next = setImmediate(work);
  return {
    stop: () => {
      clearImmediate(next);
      return turnsUs.slice(1);
    },
  };
}

/** How long does a negotiation take while the loop has other work? */
export const busyLoop: BenchCase = {
  name: 'busy-loop',
  question: `How long does a negotiated connect take while the main loop works in turns of ${TURN_MS} ms?`,
  budgetMs: 25_000,
  pictures: ['bars'],
  async run(context) {
    await using system = await startSystem(context.rustProgram);
    const { backendEndpoint, brokerName, target } = system;
    await using pool = poolConnector({ ...target, max: 1, endpointCache: false });
    const asking = [pool, oneShotConnector(target), naiveConnector(target)];
    for (const connector of asking) await checkConnector(connector, 'broker-negotiated');
    const connectors = [...asking, bareConnector(backendEndpoint)];
    const turnsUs: number[] = [];
    const turns = await alternate(context, 'busy loop', connectors, busyLoop.budgetMs, async ({ connect }) => {
      const work = keepBusy();
      const turn = await closedLoop(async () => closerOf(await connect()), 1, { operations: CONNECTS, milliseconds: 0 });
      turnsUs.push(median(work.stop()));
      return turn;
    });
    const rounds = turns.get(POOL)?.length ?? 0;
    const oneTurn: Row = { name: ONE_TURN, role: 'floor', rounds: Array.from({ length: rounds }, () => median(turnsUs)) };
    const title = `negotiated, loop busy, ${brokerName}`;
    const rows = [...connectors.map(({ name, role }) => latencyRow(name, role, turns.get(name) ?? [])), oneTurn];
    return {
      tables: [{ title, unit: 'µs', better: 'lower', baseline: ONE_TURN, rows, targets: [{ row: POOL, against: ONE_TURN, atMost: 1.3 }] }],
      notes: [`One caller; each next connect begins as soon as the one before is there, between two turns. ${CONNECTS} connects in each round.`],
    };
  },
};
