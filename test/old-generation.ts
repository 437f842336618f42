/** Does one thing again and again, and prints how many bytes each time moved into the old generation. */
import { setImmediate as turn } from 'node:timers/promises';
import { getHeapSpaceStatistics } from 'node:v8';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { instrument } from '../src/metrics/opentelemetry.js';
import { BrokerPool } from '../src/index.js';

/** What is done: an acquire and its release, with a listener or with spans. */
export type Repeated = 'listener' | 'spans';

const [targetText = '', repeated] = process.argv.slice(2);
const pool = new BrokerPool({ ...JSON.parse(targetText), max: 4 });
if (repeated === 'spans') instrument(pool, { spans: true, tracerProvider: new BasicTracerProvider() });
else pool.on('released', () => {});

const collect: NodeJS.GCFunction = globalThis.gc ?? fail();

function fail(): never {
  throw new Error('--expose-gc is missing');
}

async function repeat(times: number): Promise<void> {
  for (let time = 1; time <= times; time++) {
    (await pool.acquire()).release();
    if (time % 500 > 0) continue;
    await turn();
    // An object moves when it has outlived two.
    collect({ type: 'minor' });
  }
}

function oldBytes(): number {
  const spaces = getHeapSpaceStatistics().filter(({ space_name: name }) => /^(old|large_object)/.test(name));
  return spaces.reduce((bytes, { space_used_size: used }) => bytes + used, 0);
}

const TIMES = 10_000;
await repeat(3_000);
collect();
await repeat(1_000);
const before = oldBytes();
await repeat(TIMES);
process.stdout.write(`${(oldBytes() - before) / TIMES}\n`);
process.exit();
