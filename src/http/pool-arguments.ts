import { invalidArgument } from '../errors.js';
import type { LeasingPool } from '../pool/leasing-pool.js';
import { checkTargetOptions, type TargetOptions } from '../pool/options.js';
import { described } from '../validation.js';

/**
 * Checks the arguments that all functions of this entry take. Returns a copy of the target: a caller may change its
 * own object.
 *
 * @throws `INVALID_ARGUMENT` that begins with `pool`, or with the name of the option
 */
export function checkPoolAndTarget(pool: LeasingPool, target?: TargetOptions): TargetOptions | undefined {
  const given: unknown = pool;
  if (typeof given !== 'object' || given === null || !('acquire' in given))
    throw invalidArgument('pool', `must be a pool, got ${described(given)}`);
  if (target === undefined) return undefined;
  checkTargetOptions(target);
  return { ...target };
}

/** The reason of a rejected promise, for callbacks that take an error. */
export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
