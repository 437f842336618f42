/**
 * `broker-pool/testing`: a broker and a backend to test against, on real sockets. {@link startTestSystem}
 * runs both in this process, with scripted behaviour and counters; {@link spawnTestSystem} as processes; {@link
 * EmbeddedBroker} and {@link EmbeddedBackend} one by one.
 */
export type {
  BrokerBehaviour,
  HandoffBehaviour,
  HelloBehaviour,
  ReceivedHello,
  ReplyBehaviour,
  Wait,
} from './behaviour.js';
export { canHandOff, EmbeddedBackend } from './embedded-backend.js';
export { EmbeddedBroker } from './embedded-broker.js';
export type { BackendRequest } from '../backend/connections/backend-request.js';
export type { EmbeddedService } from './hello-rules.js';
export type { EmbeddedBackendOptions, EmbeddedBrokerOptions, HandoffMode } from './options.js';
export {
  startTestSystem,
  type OwnServiceOptions,
  type TestSystem,
  type TestSystemOptions,
  type TestTarget,
} from './test-system.js';
export {
  spawnTestSystem,
  type BackendProcessCounts,
  type BrokerProcessCounts,
  type ServerProcess,
  type SpawnedTestSystem,
  type SpawnTestSystemOptions,
} from './spawned-system.js';
export {
  AdminReplyKind,
  AdminVerb,
  RefusalCode,
  type AdminReply,
  type AdminRequest,
  type DaemonProcess,
  type Frame,
  type Hello,
  type Negotiated,
} from '../wire/messages.js';
