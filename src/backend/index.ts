/**
 * `broker-pool/backend`: the backend side of the broker protocol for Node services. {@link serveBackend} serves
 * an endpoint, also as a process that a broker has launched.
 */
export {
  BrokerPoolError,
  type BrokerPoolFailure,
  type ErrorCode,
  type ErrorDetails,
  type OtherError,
  type RefusedError,
  type TimeoutError,
  type RefusalKind,
  type TimeoutPhase,
} from '../errors.js';
export type { DaemonProcess } from '../wire/messages.js';
export type { TrustOptions } from '../trust-option.js';
export type { BackendCounts } from './connections/service.js';
export type { BackendRequest } from './connections/backend-request.js';
export type { Classification } from './connections/classification.js';
export {
  installServiceDefinition,
  type InstalledDefinition,
  type ServiceDefinitionOptions,
} from './definition/install.js';
export { launchEnvironment, type LaunchEnvironment } from './listening/launch-environment.js';
export type { BackendOptions, CloseBackendOptions, ConnectionOrigin } from './options.js';
export { serveBackend, type Backend, type BackendStats } from './serve-backend.js';
