/** Does one thing again and again, and prints how many bytes of each time came into the old generation. */
import { once } from 'node:events';
import { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { getHeapSpaceStatistics } from 'node:v8';
import { parentPort, Worker, workerData, type MessagePort } from 'node:worker_threads';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { instrument } from '../src/metrics/opentelemetry.js';
import { BrokerPool, connectSharedPool } from '../src/index.js';

/**
 * An acquire and its release, with a listener, with spans, with a validation, or in another thread; or the making of one
 * of Node's own sockets.
 */
export type Repeated = 'listener' | 'spans' | 'validate' | 'guest' | 'socket';

/** Set in the thread of a guest. */
const guestPort: MessagePort | undefined = workerData ?? undefined;
if (guestPort !== undefined) {
  const shared = await connectSharedPool(guestPort);
  parentPort?.postMessage(await bytesOf(async () => (await shared.acquire()).release()));
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
  process.stdout.write(`${await bytesOfEach(repeated, pool)}\n`);
  process.exit();
}

function bytesOfEach(repeated: string | undefined, pool: BrokerPool): Promise<number> {
  if (repeated === 'guest') return bytesOfGuest(pool.share());
  if (repeated === 'socket') return bytesOf(() => new Socket());
  return bytesOf(async () => (await pool.acquire()).release());
}

async function bytesOfGuest(port: MessagePort): Promise<number> {
  const guest = new Worker(new URL(import.meta.url), { workerData: port, transferList: [port] });
  const [bytes] = await once(guest, 'message');
  return Number(bytes);
}

/** How many bytes of each run of `work` come into the old generation of this thread. */
async function bytesOf(work: () => unknown): Promise<number> {
  await repeat(work, 3_000);
  collect();
  await repeat(work, 1_000);
  const times = 4_000;
  const rounds: number[] = [];
  for (let round = 1; round <= 3; round++) {
    const before = oldBytes();
    await repeat(work, times);
    rounds.push((oldBytes() - before) / times);
  }
  // The middle one: V8 may put what it learns of the program there in one of them, or collect garbage.
  return rounds.toSorted((a, b) => a - b)[1] ?? NaN;
}

async function repeat(work: () => unknown, times: number): Promise<void> {
  for (let time = 1; time <= times; time++) {
    await work();
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
