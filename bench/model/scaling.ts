import { short, whole } from '../harness/print.js';
import type { MeasuredCosts } from './costs.js';
import { burstWaitSeconds, capacityPerSecond, meanWaitSeconds, utilisation, type Queue } from './queueing.js';
import { simulate, type LateHello } from './simulation.js';

/** The host that the model is asked about; the benches run on another. */
const PROCESSES = 1_000;
const LAUNCH_WORKERS = 8;
const BROKER_SLEEP_SECONDS = 0.005;
const RATES: readonly number[] = [0.1, 1, 5, 10, 20, 50, 100];
const ARRIVALS = 400_000;
const SEED = 1;
/**
 * Connects of a process between two Hellos, where it remembers the endpoint: a short-lived tool, a service
 * for a while.
 */
const CONNECTS_PER_HELLO: readonly number[] = [10, 1_000];

/** The brokers that are compared. */
interface BrokerModel {
  readonly name: string;
  readonly queue: Queue;
  readonly lateHello?: LateHello;
}

/** The tables of docs/scaling.md, as Markdown. */
export function describeScaling(costs: MeasuredCosts): string {
  const registered: BrokerModel = {
    name: 'registered broker',
    queue: { servers: 1, serviceSeconds: costs.hello },
  };
  const launch: BrokerModel = {
    name: `launch mode, ${LAUNCH_WORKERS} workers`,
    queue: { servers: LAUNCH_WORKERS, serviceSeconds: costs.hello },
  };
  const handoff: BrokerModel = {
    name: 'registered, handing over',
    queue: { servers: 1, serviceSeconds: costs.handoff },
  };
  const lateHello = { afterSeconds: costs.naiveHelloAfter, sleepSeconds: BROKER_SLEEP_SECONDS };
  const naive: BrokerModel = { ...registered, name: 'registered, naive clients', lateHello };
  return [
    '### Inputs',
    '',
    inputs(costs),
    '',
    '### Where each broker saturates',
    '',
    capacities([registered, launch, handoff], costs),
    '',
    `### ${whole(PROCESSES)} processes, every connect asks the broker`,
    '',
    everyConnectAsks([registered, launch, handoff, naive]),
    '',
    '### What remembering the endpoint saves',
    '',
    savings(registered),
    '',
    `### All ${whole(PROCESSES)} start at once`,
    '',
    coldHerd([registered, launch, handoff]),
    '',
    '### Checks',
    '',
    checks(registered, launch, costs),
  ].join('\n');
}

function inputs(costs: MeasuredCosts): string {
  return markdown(
    ['measured cost', 'µs'],
    [
      [
        'one Hello, real broker under 16 Rust threads (1 / throughput of the best round)',
        microseconds(costs.hello),
      ],
      ['one handoff, the same', microseconds(costs.handoff)],
      ['one accepted connection, Rust to Rust, the same', microseconds(costs.accept)],
      ['negotiated connect of BrokerPool, 1 caller', microseconds(costs.ourNegotiated)],
      ['Hello-skip of BrokerPool, 1 caller', microseconds(costs.ourSkip)],
      [
        'connect of an event loop, after which a naive client says Hello',
        microseconds(costs.naiveHelloAfter),
      ],
    ],
  );
}

function capacities(brokers: readonly BrokerModel[], { accept }: MeasuredCosts): string {
  const acceptLimit = 1 / accept;
  return markdown(
    ['', 'Hellos a second', `per process of ${whole(PROCESSES)}`],
    brokers.map(({ name, queue }) => {
      const capacity = Math.min(capacityPerSecond(queue), acceptLimit);
      return [name, short(capacity), short(capacity / PROCESSES)];
    }),
  );
}

function everyConnectAsks(brokers: readonly BrokerModel[]): string {
  const header = [
    'connects a second and process',
    ...brokers.map(({ name }) => `${name}: load, median, p99`),
  ];
  return markdown(
    header,
    RATES.map((rate) => [String(rate), ...brokers.map((broker) => loadCell(broker, rate * PROCESSES))]),
  );
}

function loadCell({ queue, lateHello }: BrokerModel, arrivalsPerSecond: number): string {
  const load = utilisation(queue, arrivalsPerSecond);
  if (load >= 1) return 'saturated';
  const { p50, p99 } = simulate({
    queue,
    arrivalsPerSecond,
    arrivals: ARRIVALS,
    seed: SEED,
    ...(lateHello === undefined ? {} : { lateHello }),
  });
  return `${Math.round(load * 100)} %, ${milliseconds(p50)}, ${milliseconds(p99)} ms`;
}

function savings({ queue }: BrokerModel): string {
  const capacity = capacityPerSecond(queue);
  const cell = (connectsPerHello: number): string =>
    `${short((capacity * connectsPerHello) / PROCESSES)} connects/s`;
  return markdown(
    ['who remembers', 'Hellos', 'the registered broker allows each process'],
    [
      ['no process', 'one a connect', cell(1)],
      ...CONNECTS_PER_HELLO.map((connects) => [
        'the process (Hello-skip)',
        `one in ${whole(connects)} connects`,
        cell(connects),
      ]),
      ['all processes of the user (shared cache)', 'one for each backend that starts', 'any number'],
      ['a pool, connection still open', 'none, and no connect', 'any number'],
    ],
  );
}

function coldHerd(brokers: readonly BrokerModel[]): string {
  return markdown(
    ['', 'the last one has its answer after'],
    [
      ...brokers.map(({ name, queue }) => [
        name,
        `${milliseconds(burstWaitSeconds(queue, PROCESSES) + queue.serviceSeconds)} ms`,
      ]),
      ['shared cache that knows the endpoint', 'no Hello at all'],
    ],
  );
}

function checks(registered: BrokerModel, launch: BrokerModel, costs: MeasuredCosts): string {
  const formulas = [registered, launch].flatMap(({ name, queue }) =>
    [0.5, 0.8, 0.95].map((load) => {
      const arrivalsPerSecond = load * capacityPerSecond(queue);
      const formula = meanWaitSeconds(queue, arrivalsPerSecond);
      const { meanWait } = simulate({ queue, arrivalsPerSecond, arrivals: ARRIVALS, seed: SEED });
      return [
        `${name}, load ${load}: mean wait`,
        microseconds(formula),
        microseconds(meanWait),
        short(meanWait / formula),
      ];
    }),
  );
  const measured = costs.closedLoop.map(({ callers, seconds }) => {
    // Callers do not pause in a closed loop: all of them wait, and one is served at a time.
    const predicted = callers * costs.hello;
    return [
      `${callers} callers in a closed loop: median`,
      microseconds(predicted),
      `${microseconds(seconds)} measured`,
      short(seconds / predicted),
    ];
  });
  return markdown(['µs', 'formula', 'simulated or measured', 'ratio'], [...formulas, ...measured]);
}

function markdown(header: readonly string[], lines: readonly (readonly string[])[]): string {
  return [header, header.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function microseconds(seconds: number): string {
  return short(seconds * 1e6);
}

function milliseconds(seconds: number): string {
  return short(seconds * 1e3);
}
