import type { Clock } from '../clock.js';
import type { Capacity } from './capacity.js';
import type { OpensConnections } from './connecting/connector.js';
import type { EndpointCache } from '../endpoint-cache/endpoint-cache.js';
import type { PoolSettings } from './options.js';
import type { EventSources } from './watching/event-sources.js';
import type { EntryPoint } from '../caller-stack.js';

/** Settings and services that the pools of all targets share. */
export interface PoolEnvironment {
  readonly settings: PoolSettings;
  readonly connector: OpensConnections;
  readonly cache: EndpointCache | undefined;
  readonly clock: Clock;
  readonly events: EventSources;
  /** `undefined` where the pool has no `maxTotal`. */
  readonly capacity: Capacity | undefined;
  /** The numbers that were given last. */
  readonly ids: { connection: number; acquire: number };
  /** The functions through which a lease is acquired, see `callerStack`. */
  readonly entryPoints: readonly EntryPoint[];
}
