export {
  sendAdminRequest,
  type AdminAnswer,
  type AdminRequestOptions,
  type AdminVerbName,
} from './client/admin.js';
export { connectLocalSocket, type ConnectLocalSocketOptions } from './client/connect-local-socket.js';
export { connectToBackend, type BackendConnection, type ConnectOptions } from './client/connect.js';
export {
  instanceBrokerEndpoint,
  serviceBrokerEndpoint,
  sharedBrokerEndpoint,
  type EndpointNameOptions,
} from './client/endpoints.js';
export type { TrustOptions } from './trust-option.js';
export { brokerDisabledByEnv, EnvironmentVariables, type Environment } from './client/environment.js';
export type { ClientIdentityOptions } from './client/client-identity.js';
export {
  BrokerPoolError,
  type BrokerPoolFailure,
  type ErrorCode,
  type ErrorDetails,
  type OtherError,
  type RefusalKind,
  type RefusedError,
  type TimeoutError,
  type TimeoutPhase,
} from './errors.js';
export type { DriverName, NegotiatedInfo, Route } from './negotiation/job.js';
export { BrokerPool } from './pool/broker-pool.js';
export type { DestroyReason, Lease, LeaseDescription, ResolvedBackend } from './pool/lease.js';
export type { AcquireOptions, BrokerPoolOptions, CloseOptions, TargetOptions } from './pool/options.js';
export type { CloseReason } from './pool/close-reason.js';
export type { Target } from './pool/target.js';
export type { EndpointCacheOptions } from './pool/endpoint-cache-options.js';
export { connectSharedPool } from './pool/sharing/client/connect-shared-pool.js';
export type { SharedPool } from './pool/sharing/client/shared-pool.js';
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
export { RefusalCode, type AdminVerb, type Negotiated } from './wire/messages.js';
