/** One turn of connects of a build's pool, in a process of its own. */
import type { BrokerPoolOptions, Route } from '../../src/index.js';
import { sendAnswer } from '../harness/child.js';
import { closedLoop } from '../harness/closed-loop.js';
import { loadBuild } from '../peers/build.js';
import { checkConnector, closerOf, pacedCloserOf, poolConnector } from '../peers/connectors.js';

/** What a turn is told. */
export interface ConnectTask {
  /** The URL of the build whose pool is meant. */
  readonly build: string;
  readonly options: BrokerPoolOptions;
  readonly route: Route;
  readonly callers: number;
  /**
   * The backend accepts more slowly than a client can connect: each connection is heard before it is closed.
   */
  readonly paced: boolean;
  /** Of one caller the mean, too: it counts what few connects waited. @default the median */
  readonly mean?: boolean;
}

const WARM_UP_MS = 300;
const TURN_MS = 400;

/**
 * The median latency of one caller; of several, what a connect takes out of the time of all. In microseconds.
 */
async function measure({
  build,
  options,
  route,
  callers,
  paced,
  mean = callers > 1,
}: ConnectTask): Promise<number> {
  const { BrokerPool } = await loadBuild(build);
  await using connector = poolConnector(options, BrokerPool);
  await checkConnector(connector, route);
  const cleanUp = paced ? pacedCloserOf : closerOf;
  const operation = async () => cleanUp(await connector.connect());
  await closedLoop(operation, callers, { operations: callers, milliseconds: WARM_UP_MS });
  const length = { operations: 2 * callers, milliseconds: TURN_MS };
  const { latencies, perSecond } = await closedLoop(operation, callers, length);
  return mean ? 1e6 / perSecond : latencies.atUs(0.5);
}

const task: ConnectTask = JSON.parse(process.argv[2] ?? '');
await sendAnswer(await measure(task));
