export { httpAgent } from './http-agent.js';
export { undiciConnector } from './undici-connector.js';
export type { ConnectorCallback } from './connector-callback.js';
export type { LeasingPool } from '../pool/leasing-pool.js';
export type { AcquireOptions, TargetOptions } from '../pool/options.js';
export type { DestroyReason, Lease, LeaseDescription } from '../pool/lease.js';
export type { NegotiatedInfo, Route } from '../negotiation/job.js';
export type { Target } from '../target.js';
export type { Negotiated } from '../wire/messages.js';
