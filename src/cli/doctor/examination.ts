import type { AdminAnswer, AdminRequestOptions } from '../../client/admin.js';
import type { BackendConnection, ConnectOptions } from '../../client/connect.js';
import { sharedBrokerEndpoint } from '../../broker-options/endpoints.js';
import type { Environment } from '../../broker-options/environment.js';
import type { TrustOptions } from '../../trust-option.js';
import type { PatientRequests } from './patience.js';

/** The target of the examination, and the ways to look at it. The checks do no other I/O than on files. */
export interface Examination {
  readonly env: Environment;
  readonly platform: NodeJS.Platform;
  /** Where the broker listens, if the caller says; else the shared broker of this user. */
  readonly brokerEndpoint?: string | undefined;
  /** Checks one service alone; with a version it is negotiated. */
  readonly serviceName?: string | undefined;
  readonly wantedVersion?: string | undefined;
  readonly trust: TrustOptions;
  /** Identity files beside those in the usual directory. */
  readonly identityFiles: readonly string[];
  /** A file of remembered endpoints, which has no usual place. */
  readonly endpointFile?: string | undefined;
  /** The broker's own directory of definitions, where it is not the usual one. */
  readonly definitionDirectory?: string | undefined;
  /** How long a peer may take to answer, in milliseconds, before the finding says that it is silent. */
  readonly limitMs: number;
  readonly requests: PatientRequests;
  /** Aborts when the user interrupts the command. */
  readonly signal?: AbortSignal | undefined;
  readonly host: Host;
}

/** The system around this process. Tests put another one in its place. */
export interface Host {
  /** As in `process.version`. */
  readonly nodeVersion: string;
  sendAdminRequest(this: void, options: AdminRequestOptions): Promise<AdminAnswer>;
  connectToBackend(this: void, options: ConnectOptions): Promise<BackendConnection>;
  /** Why the C library cannot be used; `undefined` where it can. */
  ffiProblem(this: void): string | undefined;
  /** Why io_uring cannot be used; `undefined` where it can. */
  ringProblem(this: void): string | undefined;
  /** Why the wait thread does not start; `undefined` when it has started, and ended again. */
  threadProblem(this: void): Promise<string | undefined>;
  /** Descriptors of this process; `undefined` where the system does not tell. */
  descriptors(this: void): { readonly limit: number; readonly open: number } | undefined;
  /** Names of the socket files that processes listen at; `undefined` where the system does not tell. */
  listeningNames(this: void): ReadonlySet<string> | undefined;
}

/**
 * Limit of a request itself, in milliseconds: a broker gives up after 30 s, and from then on a hang-up does it no
 * harm (V-20).
 */
export const REQUEST_LIMIT_MS = 35_000;

/**
 * Where the broker listens.
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT` where no endpoint can be derived
 */
export function brokerEndpointIn({ brokerEndpoint, env, platform }: Examination): string {
  return brokerEndpoint ?? sharedBrokerEndpoint({ env, platform });
}

/** {@link brokerEndpointIn}; `undefined` where there is none, which is the finding of one check alone. */
export function knownBrokerEndpoint(examination: Examination): string | undefined {
  try {
    return brokerEndpointIn(examination);
  } catch {
    return undefined;
  }
}
