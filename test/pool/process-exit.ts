/**
 * Ends its process while the wait thread waits for a handoff: `node process-exit.js <target as JSON> <how>`.
 * Prints a line when the broker has the Hello, and ends when a line comes in.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { BrokerPool } from '../../src/index.js';
import type { TestTarget } from '../../src/testing/index.js';

/** What stands in the way of the pool's own exit listener. */
export type ProcessExit =
  | 'plain'
  | 'a listener throws'
  | 'a later listener throws'
  | 'a listener exits'
  | 'reallyExit'
  | 'a report first';

/** Far later than any test waits. */
const DEADLINE_MS = 60_000;

function fail(): void {
  throw new Error('as an exit listener may fail');
}

const [, , targetText = '', how = ''] = process.argv;
const target: TestTarget = JSON.parse(targetText);
if (how === 'a listener throws') process.on('exit', fail);
if (how === 'a listener exits') process.on('exit', () => process.exit(3));

const pool = new BrokerPool({
  ...target,
  adoptHandedOffConnection: true,
  roundTripTimeoutMs: DEADLINE_MS,
  acquireTimeoutMs: DEADLINE_MS,
});
await pool.warm();
pool.acquire().catch(() => {});
process.stdout.write('waiting\n');
await once(process.stdin, 'data');
// By now the thread, which the acquire has woken, is in its wait.
await delay(200);
if (how === 'a later listener throws') process.prependListener('exit', fail);
if (how === 'a report first') process.report.getReport();
if (how === 'reallyExit') Reflect.apply(Reflect.get(process, 'reallyExit'), process, [0]);
process.exit();
