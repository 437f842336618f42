import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { BrokerPool } from '../../../src/index.js';
import { spawnTestSystem } from '../../../src/testing/index.js';
import test from '../../helpers/sanitary.js';

setFlagsFromString('--expose-gc');
const collect: (options?: { readonly type: 'minor' }) => void = runInNewContext('gc');

const CALLERS = 16;
const ROUNDS = 20;

async function heapAfterYoungCollection(): Promise<number> {
  await turn();
  // An object moves to the old generation with the second one that it survives.
  for (let times = 0; times < 3; times += 1) collect({ type: 'minor' });
  return process.memoryUsage().heapUsed;
}

test.serial('a young collection frees closed connections, however old the pool is', async (t) => {
  await using system = await spawnTestSystem();
  const options = { max: CALLERS, maxConnecting: CALLERS, endpointCache: false } as const;
  const pool = new BrokerPool({ ...system.target, ...options });
  const connectAndClose = async (): Promise<void> => {
    for (let round = 0; round < ROUNDS; round += 1)
      await Promise.all(Array.from({ length: CALLERS }, async () => (await pool.acquire()).destroy()));
  };
  // Until the engine has compiled the code, its notes about it keep objects as well.
  for (let times = 0; times < 4; times += 1) await connectAndClose();
  // What the pool keeps is of the old generation now.
  collect();
  collect();
  await connectAndClose();
  const before = await heapAfterYoungCollection();
  await connectAndClose();
  const after = await heapAfterYoungCollection();
  const bytes = (after - before) / (ROUNDS * CALLERS);
  t.true(bytes < 1_000, `${bytes} bytes of each connection are left`);
  await pool.close();
});
