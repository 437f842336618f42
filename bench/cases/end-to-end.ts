import type { BenchCase } from '../harness/case.js';
import type { Turn } from '../harness/closed-loop.js';
import { startProgram, type RunningProgram } from '../harness/program.js';
import type { Row } from '../harness/result.js';
import { alternate } from '../harness/rounds.js';
import { latencyRow, percentileRow, throughputRow } from '../harness/rows.js';
import { Latencies, median } from '../harness/statistics.js';
import { PEER_NAMES } from '../peers/pools.js';
import { OURS, overPool, OWN_SOCKET, REQUESTERS, SESSION_OF_ONE } from '../peers/requesters.js';
import type { RequestsAnswer, RequestsTask } from '../programs/requests.js';
import type { ServiceReady } from '../programs/service.js';

const CALLERS = 32;
const MAX = 8;
/** Some thousand requests of each contender that keeps its connections: enough for a p99. */
const TURN_MS = 250;
/** By then V8 has compiled the code of each contender. Without it, ours has half its rate in the first turns. */
const WARM_UP_MS = 1_500;

/** What does it all come to in a service? */
export const endToEnd: BenchCase = {
  name: 'end-to-end',
  question: `Requests to a service that answers 1 KiB, ${CALLERS} at a time: a connect for each, other pools of ${MAX}, this pool of ${MAX}?`,
  budgetMs: 30_000,
  pictures: ['bars', 'percentiles'],
  async run(context) {
    await using service = await startProgram<ServiceReady>('service');
    const requesters = await Promise.all(
      REQUESTERS.map(async ({ name, role }) => {
        const task: RequestsTask = { name, service: service.ready, callers: CALLERS, max: MAX };
        return { name, role, program: await startProgram('requests', task) };
      }),
    );
    for (const { name, program } of requesters) {
      context.progress(`warming up: ${name}`);
      await turnOf(program, WARM_UP_MS);
    }
    const turns = await alternate(context, 'requests', requesters, endToEnd.budgetMs, ({ program }) =>
      turnOf(program, TURN_MS),
    );
    for (const { program } of requesters) await program[Symbol.asyncDispose]();
    const turnsOf = (name: string): readonly Turn[] => turns.get(name) ?? [];
    const latencies = requesters.map(({ name, role }) => latencyRow(name, role, turnsOf(name)));
    const slowest = requesters.map(({ name, role }) => percentileRow(name, role, turnsOf(name), 0.99));
    const rates = requesters.map(({ name, role }) => throughputRow(name, role, turnsOf(name)));
    const against = fastestPool(rates);
    return {
      tables: [
        {
          baseline: against,
          title: `${CALLERS} callers, latency`,
          unit: 'µs',
          better: 'lower',
          rows: latencies,
          targets: [{ row: OURS, against, atMost: 1 }],
        },
        {
          baseline: against,
          title: `${CALLERS} callers, 99 % latency`,
          unit: 'µs',
          better: 'lower',
          rows: slowest,
          targets: [{ row: OURS, against, atMost: 1 }],
          pictures: [],
        },
        {
          baseline: against,
          title: `${CALLERS} callers, requests a second`,
          unit: 'requests/s',
          better: 'higher',
          rows: rates,
          targets: [
            { row: OURS, against, atLeast: 1 },
            { row: SESSION_OF_ONE, against, atLeast: 2.5 },
            { row: OURS, against: OWN_SOCKET, atLeast: 0.85 },
          ],
        },
      ],
      notes: [
        "The service is one Node process beside the client; answers of 1 KiB are compared byte by byte. Most of a request's time is not the pool.",
        'The session asks the same service in frames; all others in a protocol as simple as HTTP, one request at a time on a connection. The floor of a session is one socket with ready-made frames, whose answers are counted by their bytes. The floor of a pool is an array of as many sockets and a queue, which checks nothing.',
        'Each contender has a process of its own: what V8 has learnt from the sockets of one does not decide about another.',
        'The other pools are told the endpoint; BrokerPool asks the broker for it.',
      ],
    };
  },
};

/** The pool that a user would take instead: the one with the most requests a second. */
function fastestPool(rates: readonly Row[]): string {
  const pools = PEER_NAMES.flatMap((name) => rates.filter((row) => row.name === overPool(name)));
  const [fastest] = pools.toSorted((one, other) => median(other.rounds) - median(one.rounds));
  if (fastest === undefined) throw new Error('no other pools');
  return fastest.name;
}

async function turnOf(program: RunningProgram<unknown>, turnMs: number): Promise<Turn> {
  const { perSecond, samplesNs } = await program.ask<RequestsAnswer>(String(turnMs));
  const latencies = new Latencies();
  for (const sample of samplesNs) latencies.recordNs(sample);
  return { latencies, perSecond };
}
