/**
 * Calls a pool in one context per call, and prints which contexts are still in memory when the callers have
 * left and the pool is idle: `node --expose-gc context-retention.js <target as JSON>`.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { BrokerPool, connectSharedPool, type Lease } from '../../../src/index.js';
import type { TestTarget } from '../../../src/testing/index.js';
import { loadDescriptorCalls } from '../../../src/os/descriptors.js';
import { echo } from '../../helpers/talk.js';

const [, , targetText = ''] = process.argv;
const target: TestTarget = JSON.parse(targetText);
const storage = new AsyncLocalStorage<object>();
const kept = new Map<string, WeakRef<object>>();

/** Runs a call in a context to which there is no other reference. */
async function inContext(name: string, call: () => Promise<unknown>): Promise<void> {
  const context = { name };
  kept.set(name, new WeakRef(context));
  await storage.run(context, call);
}

const pool = new BrokerPool({
  ...target,
  max: 2,
  min: 2,
  keepaliveMs: 30,
  validateAfterIdleMs: 0,
  leakThresholdMs: 60_000,
  adoptHandedOffConnection: 'auto',
  validate: async ({ socket }) => (await echo(socket, 'ping')) === 'ping',
});
pool.on('acquired', () => {});

await inContext('warm', () => pool.warm());
await inContext('use', () => pool.use(({ socket }) => echo(socket, 'use')));
await inContext('untouched', () => pool.use(() => {}));
await inContext('socket timeout', () =>
  pool.use(async ({ socket }) => echo(socket.setTimeout(10_000), 'timeout')),
);
const leases: Lease[] = [await pool.acquire(), await pool.acquire()];
const late = inContext('timed out', () => pool.acquire({ timeoutMs: 10 }).catch(() => {}));
const served = inContext('served', () => pool.use(({ socket }) => echo(socket, 'served')));
const aborter = new AbortController();
const aborted = inContext('aborted', () => pool.acquire({ signal: aborter.signal }).catch(() => {}));
await late;
aborter.abort();
await aborted;
for (const lease of leases.splice(0)) lease.release();
await served;
if (loadDescriptorCalls() !== undefined) {
  await inContext('shared', async () => {
    const shared = await connectSharedPool(pool.share());
    await shared.use(({ socket }) => echo(socket, 'shared'));
    await storage.run({}, () => shared.close());
  });
}
await inContext('last', () => pool.use(({ socket }) => echo(socket, 'last')));

const alive = (): string[] =>
  Array.from(kept).flatMap(([name, reference]) => (reference.deref() === undefined ? [] : [name]));
for (let round = 0; round < 500 && alive().length > 0; round++) {
  await sleep(20);
  globalThis.gc?.();
}
for (let count = 0; count < 500 && pool.stats().idle < 2; count++) await sleep(20);
process.stdout.write(JSON.stringify({ idle: pool.stats().idle, kept: alive() }));
await pool.destroy();
