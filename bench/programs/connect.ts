/** One turn of connects of a build's pool, or of bare sockets, in a process of its own. */
import type { BrokerPoolOptions, Route } from '../../src/index.js';
import type { TestTarget } from '../../src/testing/index.js';
import { sendAnswer } from '../harness/child.js';
import { closedLoop } from '../harness/closed-loop.js';
import { loadBuild } from '../peers/build.js';
import {
  bareNegotiator,
  checkConnector,
  closerOf,
  pacedCloserOf,
  poolConnector,
  type ConnectorContender,
} from '../peers/connectors.js';

/** The task of one turn. */
export interface ConnectTask {
  /** The URL of the build whose pool is meant. */
  readonly build: string;
  readonly options: BrokerPoolOptions & TestTarget;
  readonly route: Route;
  readonly callers: number;
  /**
   * The backend accepts more slowly than a client can connect: each connection is heard before it is closed.
   */
  readonly paced: boolean;
  /** The backend that bare sockets connect to after they have asked the broker, in place of the pool. */
  readonly bareBackend?: string;
}

/** Microseconds of a connect. */
export interface ConnectAnswer {
  readonly median: number;
  /** The time of all by the number of connects, closing included: it counts what few connects waited. */
  readonly mean: number;
}

const WARM_UP_MS = 300;
const TURN_MS = 400;

async function connectorOf({ build, options, bareBackend }: ConnectTask): Promise<ConnectorContender> {
  if (bareBackend !== undefined) return bareNegotiator(options, bareBackend);
  const { BrokerPool } = await loadBuild(build);
  return poolConnector(options, BrokerPool);
}

async function measure(task: ConnectTask): Promise<ConnectAnswer> {
  const { route, callers, paced } = task;
  await using connector = await connectorOf(task);
  await checkConnector(connector, route);
  const cleanUp = paced ? pacedCloserOf : closerOf;
  const operation = async () => cleanUp(await connector.connect());
  await closedLoop(operation, callers, { operations: callers, milliseconds: WARM_UP_MS });
  const length = { operations: 2 * callers, milliseconds: TURN_MS };
  const { latencies, perSecond } = await closedLoop(operation, callers, length);
  return { median: latencies.atUs(0.5), mean: 1e6 / perSecond };
}

const task: ConnectTask = JSON.parse(process.argv[2] ?? '');
await sendAnswer(await measure(task));
