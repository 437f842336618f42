/**
 * A program of its own with pools under load: `node guest.js '{"brokerEndpoint":…}'`. Prints a line when it
 * has begun and a report when the load is over. Its pools stay open then: it must end by itself, since no
 * caller is left.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { GuestReport, GuestTask } from './guest-task.js';
import { Invariants } from './invariants.js';
import { Load } from './load.js';
import { GUEST_RECIPES, openPools } from './pools.js';
import { Random } from './random.js';

const CALLERS = 4;
/** A program without callers ends at once; on a busy machine that takes a while. */
const EXIT_LIMIT_MS = 3_000;

const { brokerEndpoint, services, seed, loadMs }: GuestTask = JSON.parse(process.argv[2] ?? '');
/** Node's own about the options of this process, and one of the pool where it finds no thread. */
const EXPECTED_WARNINGS = new Set(['ExperimentalWarning', 'SecurityWarning']);
let threadWarnings = 0;
const invariants = new Invariants(({ name, code }) => {
  if (EXPECTED_WARNINGS.has(name)) return true;
  if (code === 'BROKER_POOL_NO_THREAD') threadWarnings += 1;
  return code === 'BROKER_POOL_NO_THREAD' && threadWarnings === 1 && process.execArgv.length > 0;
});
const pools = openPools(GUEST_RECIPES, brokerEndpoint, invariants);
const load = new Load(pools, services, new Random(seed), invariants);
load.start(CALLERS);
process.stdout.write('begun\n');
await delay(loadMs);
await load.stop();
for (const pool of pools) pool.checkQuiet();
invariants.stop();
const { violations } = invariants;
const report: GuestReport = { violations, endings: Object.fromEntries(load.endings) };
process.stdout.write(`${JSON.stringify(report)}\n`);
setTimeout(() => {
  process.stderr.write(`a guest does not end; active: ${process.getActiveResourcesInfo().join(', ')}\n`);
  process.exit(9);
}, EXIT_LIMIT_MS).unref();
