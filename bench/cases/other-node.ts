import { spawnTestSystem, type TestTarget } from '../../src/testing/index.js';
import type { BenchCase, BenchContext } from '../harness/case.js';
import { askProgram } from '../harness/child.js';
import { majorOf, majorVersionOf } from '../harness/other-node.js';
import type { Role, Row, Table } from '../harness/result.js';
import { alternate } from '../harness/rounds.js';
import { BARE_NEGOTIATION } from '../peers/connectors.js';
import { FLOOR, OURS } from '../peers/lenders.js';
import { timeOf } from '../peers/rust-client.js';
import { negotiationTask, startSystem, type BenchSystem } from '../peers/system.js';
import type { ConnectAnswer, ConnectTask } from '../programs/connect.js';
import type { LendTask } from '../programs/lend.js';

const RUST = 'Rust client';
const PEER = 'lightning-pool';
/** A newer Node must not cost more than a tenth. */
const MOST = 1.1;

/** One of a table's rows. */
interface Contender {
  readonly name: string;
  readonly role: Role;
  readonly turn: () => Promise<number>;
}

/** A question that each Node is asked. */
interface Contest {
  readonly title: string;
  readonly unit: string;
  /** Measures our package on the Node at `execPath`, by default on this one. */
  readonly ours: (execPath?: string) => Promise<number>;
  /** The same work on the other Node without this package. */
  readonly floor: Contender;
  /** Absent without the real broker. */
  readonly peer?: Contender;
  /** Most of our time as a part of the peer's, on this Node and on the other. */
  readonly atMostOfPeer: number;
}

/** Does the package stay as fast on another Node? */
export const otherNode: BenchCase = {
  name: 'other-node',
  question: 'What do a negotiation, and acquire and release, take on another Node than this one?',
  budgetMs: 85_000,
  async run(context) {
    if (context.node === undefined)
      return {
        tables: [],
        notes: ['NOT MEASURED: no other Node was named; --node /opt/node24/bin/node does so.'],
      };
    const node = context.node;
    const version = await majorVersionOf(node);
    await using system = await startSystem(context.rustProgram, 'none');
    await using embedded = await spawnTestSystem({ handoff: 'none' });
    const contests = [
      connects(system, 1, node, version),
      connects(system, 16, node, version),
      lends(embedded.target, 1, node, version),
      lends(embedded.target, 100, node, version),
    ];
    const tables: Table[] = [];
    for (const contest of contests) tables.push(await measure(context, contest, node, version));
    return {
      tables,
      notes: [
        'Each figure of ours and of the floors is from a process of its own; broker and backend run on this Node.',
      ],
    };
  },
};

async function measure(
  context: BenchContext,
  { title, unit, ours, floor, peer, atMostOfPeer }: Contest,
  node: string,
  version: string,
): Promise<Table> {
  const here = `BrokerPool, Node ${majorOf(process.version)}`;
  const there = `BrokerPool, Node ${version}`;
  const contenders: Contender[] = [
    { name: here, role: 'floor', turn: () => ours() },
    { name: there, role: 'ours', turn: () => ours(node) },
    ...(peer === undefined ? [] : [peer]),
    floor,
  ];
  const rounds = await alternate(context, title, contenders, otherNode.budgetMs / 4, ({ turn }) => turn());
  return {
    title,
    unit,
    better: 'lower',
    baseline: here,
    rows: contenders.map(({ name, role }): Row => ({ name, role, rounds: rounds.get(name) ?? [] })),
    targets: [
      { row: there, against: here, atMost: MOST },
      ...(peer === undefined ? [] : [{ row: there, against: peer.name, atMost: atMostOfPeer }]),
    ],
  };
}

function connects(system: BenchSystem, callers: number, node: string, version: string): Contest {
  const { rust, brokerName, backendEndpoint } = system;
  const task = negotiationTask(system, callers);
  const figure = callers === 1 ? 'median' : 'mean';
  const ask = async (wanted: ConnectTask, execPath?: string): Promise<number> => {
    const answer = await askProgram<ConnectAnswer>(
      'connect',
      wanted,
      execPath === undefined ? {} : { execPath },
    );
    return answer[figure];
  };
  return {
    title: `negotiated, ${callers} caller${callers === 1 ? '' : 's'}, ${brokerName}`,
    unit: 'µs',
    ours: (execPath) => ask(task, execPath),
    floor: {
      name: `${BARE_NEGOTIATION}, Node ${version}`,
      role: 'floor',
      turn: () => ask({ ...task, bareBackend: backendEndpoint }, node),
    },
    ...(rust !== undefined && {
      peer: {
        name: RUST,
        role: 'peer',
        turn: async () => (await timeOf(rust, 'negotiated', callers))[figure],
      },
    }),
    atMostOfPeer: 1,
  };
}

function lends(target: TestTarget, callers: number, node: string, version: string): Contest {
  const task = { callers, max: 10, target } as const;
  const ask = (lender: LendTask['lender'], execPath?: string): Promise<number> =>
    askProgram<number>('lend', { ...task, lender }, execPath === undefined ? {} : { execPath });
  return {
    title:
      callers === 1 ? 'acquire and release, one caller' : `acquire and release, ${callers} callers for 10`,
    unit: 'ns',
    ours: (execPath) => ask(OURS, execPath),
    peer: { name: `${PEER}, Node ${version}`, role: 'peer', turn: () => ask(PEER, node) },
    floor: { name: `${FLOOR}, Node ${version}`, role: 'floor', turn: () => ask(FLOOR, node) },
    atMostOfPeer: callers === 1 ? 0.18 : 0.3,
  };
}
