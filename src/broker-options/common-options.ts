import { checkEndpoint } from '../endpoint.js';
import { abortSignal, converted, derived, duration, flag, needing, optional } from '../option-table.js';
import { ownTrust, type EndpointTrust } from '../os/endpoint-trust.js';
import { checkDurationMs, checkString } from '../validation.js';
import { clientTimeoutFromEnv } from './environment.js';
import { sharedBrokerEndpoint } from './endpoints.js';
import { checkTrust, type TrustOptions } from '../trust-option.js';

/** Options of every call that reaches a broker. */
export const brokerOptions = {
  /** Where the broker listens. @default this user's shared broker */
  brokerEndpoint: derived(checkEndpoint, sharedBrokerEndpoint),
  /**
   * Additional trusted users and directories behind the endpoints: `{ userIds, sharedDirectories }`.
   * @default none
   * @see docs/security.md#endpoint-checks
   */
  trust: converted<TrustOptions, EndpointTrust>(checkTrust, ownTrust),
};

/** Options of every call that negotiates a backend. */
export const negotiationOptions = {
  /**
   * The version of the calling program, any string. The Hello is skipped only where it equals
   * `wantedVersion`. It is never sent. @default `wantedVersion`
   */
  selfVersion: optional(checkString),
  /**
   * Ask the broker for a handoff token with each Hello, for callers that read `handoffToken` without
   * adopting. A broker with a handoff endpoint then tries a handoff, which takes about 5 ms a Hello.
   * @default false
   * @see docs/latency.md#what-a-handoff-costs
   */
  handoffToken: flag(),
  /**
   * How long to wait for the backend to take over the connection before it is dialled instead, in
   * milliseconds. @default 2000
   */
  handoffReadyTimeoutMs: needing(['adoptHandedOffConnection'], duration(2_000)),
  /**
   * Limit for each dial and for the round trip of each Hello, in milliseconds.
   * @default `RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS`, else 30000
   */
  roundTripTimeoutMs: derived(checkDurationMs, clientTimeoutFromEnv),
  /**
   * For tests: the endpoint in `RUNNING_PROCESS_FAKE_BACKEND`, read with each connect, replaces broker and
   * remembered endpoints. @default false
   */
  testSeams: flag(),
};

/** Options of every call that connects once. */
export const cancelOptions = {
  /** Aborting it ends the call with `ABORTED`. @default none */
  signal: abortSignal(),
};
