import { BrokerPoolError } from '../errors.js';

/**
 * Bun has `net.Socket`, but nothing of the handle behind it: a socket over a descriptor reads nothing, and a pool
 * cannot see whether a connection is as it was.
 */
export const IS_BUN = 'bun' in process.versions;

/** Why this runtime makes no use of the C library, even where koffi loads; `undefined` where it does. */
export const NO_DESCRIPTOR_SOCKETS = IS_BUN ? 'Bun reads nothing from a socket over a descriptor' : undefined;

/** @throws {BrokerPoolError} `UNSUPPORTED_RUNTIME` where sockets cannot be compared with their state at birth */
export function checkSocketsComparable(): void {
  if (!IS_BUN) return;
  const problem = 'BrokerPool does not run on Bun, whose sockets hide the state that a pool must compare';
  const advice = 'run it on Node or Deno, or use connectToBackend of broker-pool/connect';
  throw new BrokerPoolError('UNSUPPORTED_RUNTIME', `${problem}: ${advice}`);
}
