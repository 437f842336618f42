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
} from './broker-options/endpoints.js';
export type { TrustOptions } from './trust-option.js';
export { brokerDisabledByEnv, EnvironmentVariables, type Environment } from './broker-options/environment.js';
export type { ClientIdentityOptions } from './broker-options/client-identity.js';
export type { EndpointFileOptions } from './endpoint-cache/options.js';
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
export type { NegotiatedInfo, Route } from './negotiation/job.js';
export { RefusalCode, type AdminVerb, type Negotiated } from './wire/messages.js';
