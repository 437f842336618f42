/**
 * Uses one connection in turn without any `AsyncLocalStorage`, in a store, behind one, and in one that was entered,
 * and prints what its listeners find in the store: `node first-context.js <target as JSON>`.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { BrokerPool } from '../../../src/index.js';
import { isOutOfContext } from '../../../src/async-context.js';
import type { TestTarget } from '../../../src/testing/index.js';

const [, , targetText = ''] = process.argv;
const target: TestTarget = JSON.parse(targetText);
const storage = new AsyncLocalStorage<string>();
const pool = new BrokerPool({ ...target, max: 1 });
const heard: string[] = [];
const wasOut: boolean[] = [];

const talk = (): Promise<void> =>
  pool.use(async ({ socket }) => {
    wasOut.push(isOutOfContext());
    socket.on('data', () => heard.push(storage.getStore() ?? 'none'));
    socket.write('x');
    await once(socket, 'data');
  });

await talk();
await talk();
await storage.run('first', talk);
await talk();
await storage.run('second', talk);
storage.disable();
await talk();
// No promise has an id here, and the store is that of the whole program.
storage.enterWith('entered');
wasOut.push(isOutOfContext());
await talk();
storage.disable();
const { created } = pool.stats();
await pool.close();
process.stdout.write(JSON.stringify({ heard, wasOut, created }));
