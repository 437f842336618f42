import { checkFunction } from '../validation.js';
import type { Lease } from './lease.js';
import type { AcquireOptions, TargetOptions } from './options.js';

/** The part of a pool that sessions and HTTP clients use: a `BrokerPool`, or a pool shared by another thread. */
export interface LeasingPool {
  acquire(options?: AcquireOptions): Promise<Lease>;
  /** An idle connection at once. Spares an HTTP request the way through promises; sessions do without. */
  tryAcquire?(target?: TargetOptions): Lease | undefined;
}

/**
 * Runs `work` with a lease of a pool: released afterwards, destroyed when `work` throws, since its conversation was
 * broken off. One function for all of it: each further one that waits for another costs a request 0.1 µs.
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT`, as `acquire` does, and what `work` throws
 */
export async function useLease<T>(
  pool: LeasingPool,
  work: (lease: Lease) => T | Promise<T>,
  options?: AcquireOptions,
): Promise<T> {
  checkFunction('work', work);
  const lease = await pool.acquire(options);
  let result: T;
  try {
    result = await work(lease);
  } catch (error) {
    if (!lease.spent) lease.destroy('error');
    throw error;
  }
  if (!lease.spent) lease.release();
  return result;
}
