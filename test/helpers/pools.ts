import type { ExecutionContext } from 'ava';
import { BrokerPool, BrokerPoolError, type BrokerPoolOptions } from '../../src/index.js';

/** A pool that ends with its test. */
export function openPool(
  t: ExecutionContext,
  target: BrokerPoolOptions,
  options: BrokerPoolOptions = {},
): BrokerPool {
  const pool = new BrokerPool({ ...target, ...options });
  t.teardown(() => pool.destroy());
  return pool;
}

/** The error with which a promise rejects. */
export async function failureOf(promise: Promise<unknown>): Promise<BrokerPoolError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof BrokerPoolError) return error;
  throw new Error('it did not fail with a BrokerPoolError', { cause: error });
}
