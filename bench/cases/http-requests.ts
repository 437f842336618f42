import { BrokerPool } from '../../src/index.js';
import type { BenchCase } from '../harness/case.js';
import type { TurnLength } from '../harness/closed-loop.js';
import { startProgram } from '../harness/program.js';
import { alternate } from '../harness/rounds.js';
import { throughputRow } from '../harness/rows.js';
import {
  askInTurn,
  nodeOverPath,
  nodeOverPool,
  undiciOverPath,
  undiciOverPool,
} from '../peers/http-clients.js';
import type { HttpServiceReady } from '../programs/http-service.js';

const CALLERS = 10;
const WARM_UP: TurnLength = { operations: 500, milliseconds: 200 };
const TURN: TurnLength = { operations: 100, milliseconds: 250 };

const NODE_PATH = 'http, keep-alive agent over socketPath';
const NODE_POOL = 'http, httpAgent over the pool';
const UNDICI_PATH = 'undici over socketPath';
const UNDICI_POOL = 'undici, undiciConnector over the pool';

/** What does HTTP over a pool cost? */
export const httpRequests: BenchCase = {
  name: 'http-requests',
  question: `How many HTTP requests a second do ${CALLERS} callers get answered, over a pool and over the path of the socket?`,
  budgetMs: 10_000,
  pictures: ['bars'],
  async run(context) {
    await using program = await startProgram<HttpServiceReady>('http-service');
    const { target, endpoint } = program.ready;
    const pools = [new BrokerPool(target), new BrokerPool(target)] as const;
    const clients = [
      nodeOverPath(NODE_PATH, endpoint, CALLERS),
      nodeOverPool(NODE_POOL, pools[0]),
      undiciOverPath(UNDICI_PATH, endpoint, CALLERS),
      undiciOverPool(UNDICI_POOL, pools[1], CALLERS),
    ];
    for (const client of clients) await askInTurn(client, CALLERS, WARM_UP);
    const title = `${CALLERS} callers, HTTP server in another process`;
    const turns = await alternate(context, title, clients, httpRequests.budgetMs, (client) =>
      askInTurn(client, CALLERS, TURN),
    );
    for (const client of clients) await client.close();
    for (const pool of pools) await pool.close();
    return {
      tables: [
        {
          title,
          unit: 'requests/s',
          better: 'higher',
          baseline: NODE_PATH,
          rows: clients.map(({ name, role }) => throughputRow(name, role, turns.get(name) ?? [])),
          targets: [
            { row: NODE_POOL, against: NODE_PATH, atLeast: 1 },
            { row: UNDICI_POOL, against: UNDICI_PATH, atLeast: 1 },
          ],
        },
      ],
      notes: ['Each answer is compared with its request. All have ten connections, and keep them.'],
    };
  },
};
