import type { Lease } from '../../src/index.js';
import { settled, type FakePool } from '../helpers/fake-pool.js';
import { failureOf } from '../helpers/pools.js';

/**
 * Leads a pool with `max: 3, min: 1` through a wait of 30 ms, an acquire that times out and a connect that fails.
 * Three leases are served, of which the caller gets the two that are left.
 */
export async function useInEveryWay({ pool, connect, fail, pass }: FakePool): Promise<readonly Lease[]> {
  await settled();
  await connect();
  const first = await pool.acquire();
  const second = pool.acquire();
  await pass(30);
  await connect();
  const failing = failureOf(pool.acquire({ timeoutMs: 20 }));
  await pass(20);
  await failing;
  await fail();
  (await second).release();
  return [first, await pool.acquire()];
}
