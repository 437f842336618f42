export * from './connect.js';
export type { DriverName } from './negotiation/job.js';
export { BrokerPool } from './broker-pool.js';
export type { DestroyReason, Lease, LeaseDescription, ResolvedBackend } from './pool/lease.js';
export type { AcquireOptions, BrokerPoolOptions, CloseOptions, TargetOptions } from './pool/options.js';
export type { CloseReason } from './pool/close-reason.js';
export type { Target } from './target.js';
export type { EndpointCacheOptions } from './endpoint-cache/options.js';
export { connectSharedPool } from './sharing/client/connect-shared-pool.js';
export type { SharedPool } from './sharing/client/shared-pool.js';
export type { ConnectionToValidate, Validate } from './pool/health-check.js';
export type {
  AcquiredEvent,
  AcquireFailedEvent,
  AcquireStartedEvent,
  ClearedEvent,
  ClosedEvent,
  ConnectRetryingEvent,
  ConnectionClosedEvent,
  ConnectionCreatedEvent,
  ConnectionReadyEvent,
  LeakSuspectedEvent,
  PoolEvent,
  PoolEventMap,
  PoolEventName,
  PoolEvents,
  ReleasedEvent,
} from './pool/watching/events.js';
export type { DurationHistogram } from './histogram.js';
export type { PoolDescription, PoolState } from './pool/watching/stats.js';
export type { PoolCounts, PoolStats, TargetStats } from './pool/watching/stats.js';
