/**
 * One way to get requests answered, in a process of its own: a turn for each line that says how many milliseconds it
 * lasts, until the standard input ends.
 */
import { createInterface } from 'node:readline';
import { closedLoop } from '../harness/closed-loop.js';
import { openRequester, type Requester } from '../peers/requesters.js';
import type { ServiceReady } from './service.js';

/** What the program is told. */
export interface RequestsTask {
  /** The name of the requester. */
  readonly name: string;
  readonly service: ServiceReady;
  readonly callers: number;
  readonly max: number;
}

/** What a turn showed. */
export interface RequestsAnswer {
  readonly perSecond: number;
  /** At even steps through all of them, the slowest included. */
  readonly samplesNs: readonly number[];
}

const SAMPLES = 1_000;
const WARM_UP_MS = 300;

let lastRequest = 0;

async function load({ request }: Requester, callers: number, milliseconds: number): Promise<RequestsAnswer> {
  const operation = async (): Promise<() => void> => {
    await request(`/artifact/${++lastRequest}`);
    return () => {};
  };
  const length = { operations: callers, milliseconds };
  const { latencies, perSecond } = await closedLoop(operation, callers, length);
  const samplesNs = Array.from({ length: SAMPLES }, (_, at) =>
    Math.round(latencies.atUs((at + 1) / SAMPLES) * 1_000),
  );
  return { perSecond, samplesNs };
}

const { name, service, callers, max }: RequestsTask = JSON.parse(process.argv[2] ?? '');
const requester = await openRequester(name, service, callers, max);
// Each answer is checked, before the clock runs and while it does.
await load(requester, callers, WARM_UP_MS);
process.stdout.write('{}\n');
for await (const line of createInterface({ input: process.stdin }))
  process.stdout.write(`${JSON.stringify(await load(requester, callers, Number(line)))}\n`);
await requester.close();
