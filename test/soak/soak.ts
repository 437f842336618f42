/**
 * The soak: `npm run soak -- [--minutes N] [--seed S] [--report FILE]`. Pools of every kind under load,
 * faults at random, invariants checked all the time. Prints a line now and then, at the end a line of JSON
 * and the verdict; ends with 1 if a promise was broken.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { loadNative } from '../../src/os/native.js';
import { collectGarbage, objectBytes } from '../helpers/heap.js';
import { Leftovers, until } from '../helpers/leftovers.js';
import { Invariants } from './invariants.js';
import { Load } from './load.js';
import { DEATH_FILE_VARIABLE } from './mortal-worker.js';
import { startPeers } from './peers.js';
import { allRecipes, openPools } from './pools.js';
import { Random } from './random.js';
import { clearInterval, nowMs, setInterval } from './real-time.js';
import { writeReport, type SoakSummary } from './report.js';
import { Schedule } from './schedule.js';
import { SessionLoad } from './sessions.js';

const CALLERS = 24;
const CHECK_MS = 10;
const PRINT_MS = 5_000;
/** Code is compiled and buffers reach their size: what the heap is compared with is what it is after this. */
const SHORTEST_WARM_UP_MS = 8_000;
/** How long a broker does not answer in a long run. */
const LONGEST_MS = 150_000;
/** How soon open pools that no caller uses must have nothing that keeps the process alive. */
const REST_LIMIT_MS = 5_000;
const QUIET_LIMIT_MS = 15_000;
const HEAP_GROWTH_ALLOWED = 1.05;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string' },
    report: { type: 'string' },
  },
});
const minutes = Number(values.minutes);
const seed = values.seed === undefined ? 1 + Math.floor(Math.random() * 0x7fff_ffff) : Number(values.seed);
if (!(minutes > 0) || !Number.isInteger(seed))
  throw new Error('--minutes must be a number above 0 and --seed an integer');

console.log(`soak of ${minutes} min, seed ${seed}`);
// After the first line: Node opens standard output with it, and keeps it.
const leftovers = new Leftovers();
const directory = mkdtempSync(join(tmpdir(), 'bpk-'));
const deathFile = join(directory, 'die');
process.env[DEATH_FILE_VARIABLE] = deathFile;

/** One stretch of load and faults, from nothing to nothing. */
async function run(durationMs: number, random: Random, invariants: Invariants) {
  const peers = await startPeers(directory, random);
  const withoutPools = new Leftovers();
  const pools = openPools(allRecipes(), peers.broker.endpoint, invariants);
  const load = new Load(pools, peers.services, random, invariants);
  const longMs = Math.min(LONGEST_MS, durationMs / 5);
  const schedule = new Schedule({ random, peers, pools, load, invariants, deathFile, longMs });
  const checks = setInterval(() => pools.forEach((pool) => pool.check()), CHECK_MS);
  const startedMs = nowMs();
  const prints = setInterval(() => print(startedMs, load, sessions, schedule, invariants), PRINT_MS);
  const sessions = new SessionLoad(peers, random, invariants);
  load.start(CALLERS);
  sessions.start();
  schedule.start();
  await delay(durationMs);
  await Promise.race([
    Promise.all([schedule.stop(), load.stop(), sessions.stop()]),
    delay(QUIET_LIMIT_MS, undefined, { ref: false }),
  ]);
  // An acquire that never settles is among what this finds broken.
  for (const pool of pools) pool.checkQuiet();
  clearInterval(checks);
  clearInterval(prints);
  const keepsAlive = (): string[] => withoutPools.list().filter((line) => line.startsWith('active: '));
  await until(() => keepsAlive().length === 0, REST_LIMIT_MS);
  invariants.check(
    keepsAlive().length === 0,
    () => `open pools that no caller uses keep the process alive: ${keepsAlive().join(', ')}`,
  );
  await Promise.race([
    Promise.all([sessions.close(), ...pools.map(({ pool }) => pool.close())]),
    delay(QUIET_LIMIT_MS, undefined, { ref: false }),
  ]);
  await Promise.all([peers.broker, ...peers.backends].map((peer) => peer.stop()));
  rmSync(deathFile, { force: true });
  const { endings, talks } = load;
  const requests = sessions.outcomes;
  return { endings, talks, requests, records: schedule.records, injected: schedule.injected };
}

function print(
  startedMs: number,
  { endings, talks }: Load,
  { outcomes }: SessionLoad,
  { injected }: Schedule,
  invariants: Invariants,
): void {
  const served = endings.get('served') ?? 0;
  const failed = sum(endings) - served;
  const heapMiB = (process.memoryUsage().heapUsed / 2 ** 20).toFixed(1);
  console.log(
    `${((nowMs() - startedMs) / 1_000).toFixed(0)} s: ${served} served, ${failed} failed, ${talks.whole} words, ${outcomes.get('answered') ?? 0} of ${sum(outcomes)} requests answered, ${injected} faults, ` +
      `worst ${invariants.worstLatenessMs.toFixed(1)} ms late, ${invariants.mostDescriptors} descriptors and ${invariants.mostThreads} threads at most, heap ${heapMiB} MiB, ` +
      `${invariants.violationCount} promises broken`,
  );
}

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0);
}

/**
 * The objects in use when nothing is under way. Several rounds: finalizers free things that the next
 * collection finds.
 */
async function settledHeap(): Promise<number> {
  for (let round = 0; round < 5; round++) {
    collectGarbage();
    await delay(20);
  }
  return await objectBytes();
}

const warmUpMs = Math.max(SHORTEST_WARM_UP_MS, Math.min(30_000, minutes * 60_000 * 0.2));
const warmUp = new Invariants();
for (const round of [1, 2]) await run(warmUpMs / 2, new Random(seed + round), warmUp);
warmUp.stop();
await until(() => leftovers.list().length === 0, QUIET_LIMIT_MS);
const heapBeforeBytes = await settledHeap();

const invariants = new Invariants();
for (const violation of warmUp.violations) invariants.violate(`in the warm-up: ${violation}`);
const { endings, talks, requests, records, injected } = await run(
  Math.max(1_000, minutes * 60_000 - warmUpMs),
  new Random(seed),
  invariants,
);
invariants.stop();
await until(() => leftovers.list().length === 0, QUIET_LIMIT_MS);
const left = leftovers.list();
const heapAfterBytes = await settledHeap();
rmSync(directory, { recursive: true });
invariants.check(left.length === 0, () => `left over at the end: ${left.join(', ')}`);
invariants.check(
  heapAfterBytes <= heapBeforeBytes * HEAP_GROWTH_ALLOWED,
  () => `objects grew from ${heapBeforeBytes} to ${heapAfterBytes} bytes`,
);

const summary: SoakSummary = {
  verdict: invariants.violationCount === 0 ? 'passed' : 'failed',
  seed,
  driver: loadNative() === undefined ? 'event-loop' : 'worker',
  minutes,
  acquires: sum(endings),
  served: endings.get('served') ?? 0,
  talks: talks.whole,
  requests: sum(requests),
  answered: requests.get('answered') ?? 0,
  faults: injected,
  worstLatenessMs: Math.max(invariants.worstLatenessMs, warmUp.worstLatenessMs),
  worstLatenessWithStallsMs: Math.max(invariants.worstLatenessWithStallsMs, warmUp.worstLatenessWithStallsMs),
  worstStallMs: invariants.worstStallMs,
  mostDescriptors: invariants.mostDescriptors,
  mostThreads: invariants.mostThreads,
  heapBeforeBytes,
  heapAfterBytes,
  left,
  violationCount: invariants.violationCount,
  violations: invariants.violations,
};
if (values.report !== undefined) writeReport(values.report, summary, records);
for (const violation of invariants.violations) console.log(`broken: ${violation}`);
console.log(JSON.stringify(summary));
console.log(`soak ${summary.verdict}, seed ${seed}`);
// With exit(): what is broken may keep the process alive.
process.exit(summary.verdict === 'passed' ? 0 : 1);
