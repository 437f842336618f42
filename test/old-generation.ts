/** Does one thing again and again, and prints how many bytes each time moved into the old generation. */
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { getHeapSpaceStatistics } from 'node:v8';
import { parentPort, Worker, workerData, type MessagePort } from 'node:worker_threads';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { instrument } from '../src/metrics/opentelemetry.js';
import { BrokerPool, connectSharedPool, type Lease } from '../src/index.js';

/** An acquire and its release, with a listener, with spans, with a validation, or in another thread. */
export type Repeated = 'listener' | 'spans' | 'validate' | 'guest';

/** Set in the thread of a guest. */
const guestPort: MessagePort | undefined = workerData ?? undefined;
if (guestPort !== undefined) {
  const shared = await connectSharedPool(guestPort);
  parentPort?.postMessage(await bytesOf(() => shared.acquire()));
} else {
  const [targetText = '', repeated] = process.argv.slice(2);
  const validated = { validate: () => true, validateAfterIdleMs: 0 };
  const pool = new BrokerPool({
    ...JSON.parse(targetText),
    max: 4,
    ...(repeated === 'validate' && validated),
  });
  if (repeated === 'spans') instrument(pool, { spans: true, tracerProvider: new BasicTracerProvider() });
  if (repeated === 'listener') pool.on('released', () => {});
  const bytes = repeated === 'guest' ? await bytesOfGuest(pool.share()) : await bytesOf(() => pool.acquire());
  process.stdout.write(`${bytes}\n`);
  process.exit();
}

async function bytesOfGuest(port: MessagePort): Promise<number> {
  const guest = new Worker(new URL(import.meta.url), { workerData: port, transferList: [port] });
  const [bytes] = await once(guest, 'message');
  return Number(bytes);
}

/** How many bytes each acquire with its release moves into the old generation of this thread. */
async function bytesOf(acquire: () => Promise<Lease>): Promise<number> {
  const times = 10_000;
  await repeat(acquire, 3_000);
  collect();
  await repeat(acquire, 1_000);
  const before = oldBytes();
  await repeat(acquire, times);
  return (oldBytes() - before) / times;
}

async function repeat(acquire: () => Promise<Lease>, times: number): Promise<void> {
  for (let time = 1; time <= times; time++) {
    (await acquire()).release();
    if (time % 500 > 0) continue;
    await turn();
    // An object moves when it has outlived two.
    collect({ type: 'minor' });
  }
}

function collect(options: NodeJS.GCOptions = { type: 'major' }): void {
  if (globalThis.gc === undefined) throw new Error('--expose-gc is missing');
  globalThis.gc(options);
}

function oldBytes(): number {
  const spaces = getHeapSpaceStatistics().filter(({ space_name: name }) => /^(old|large_object)/.test(name));
  return spaces.reduce((bytes, { space_used_size: used }) => bytes + used, 0);
}
