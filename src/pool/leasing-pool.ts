import type { Lease } from './lease.js';
import type { AcquireOptions, TargetOptions } from './options.js';

/** The part of a pool that sessions and HTTP clients use: a `BrokerPool`, or a pool shared by another thread. */
export interface LeasingPool {
  acquire(options?: AcquireOptions): Promise<Lease>;
  /** An idle connection at once. Spares an HTTP request the way through promises; sessions do without. */
  tryAcquire?(target?: TargetOptions): Lease | undefined;
}
