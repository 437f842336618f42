import { systemClock } from '../clock.js';
import { runJob, type AdminJob } from '../negotiation/job.js';
import { EventLoopDriver } from '../negotiation/event-loop/event-loop-driver.js';
import { loadNativeOrWarn } from '../os/native.js';
import { checkEndpoint } from '../endpoint.js';
import {
  checkBoolean,
  checkDurationMs,
  checkName,
  checkServiceName,
  checkSignal,
  checkText,
  rejectUnknownOptions,
} from '../validation.js';
import {
  AdminReplyKind,
  AdminVerb,
  encodeAdminRequest,
  encodeFrameToWire,
  FrameKind,
  PayloadProtocol,
  PROTOCOL_VERSION,
} from '../wire/messages.js';
import { clientTimeoutFromEnv } from './environment.js';
import { explaining } from './explaining.js';
import { sharedBrokerEndpoint } from './endpoints.js';
import { checkTrust, type TrustOptions } from './trust-option.js';

/** A question for {@link sendAdminRequest} (W-39). */
export type AdminVerbName = Exclude<keyof typeof AdminVerb, 'UNSPECIFIED'>;

/** Options of {@link sendAdminRequest}. */
export interface AdminRequestOptions {
  /** @default the per-user shared broker's derived endpoint */
  brokerEndpoint?: string | undefined;
  verb: AdminVerbName;
  /** Ask for JSON where the verb has a choice. @default false */
  json?: boolean | undefined;
  /** For BACKEND_HEALTH. */
  serviceName?: string | undefined;
  /** For DIAGNOSE. */
  outputPath?: string | undefined;
  /** For SHUTDOWN, in milliseconds; today's brokers ignore it. @default 0 */
  drainDeadlineMs?: number | undefined;
  /**
   * Limit for connect and reply, in milliseconds. @default RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS, else
   * 30000
   */
  timeoutMs?: number | undefined;
  /** Additional trusted users behind the endpoint; see {@link TrustOptions}. @default none */
  trust?: TrustOptions | undefined;
  signal?: AbortSignal | undefined;
}

const OPTION_NAMES = [
  'brokerEndpoint',
  'verb',
  'json',
  'serviceName',
  'outputPath',
  'drainDeadlineMs',
  'timeoutMs',
  'trust',
  'signal',
] as const satisfies readonly (keyof AdminRequestOptions)[];

/** All of them, in the order of their numbers. */
export const ADMIN_VERB_NAMES: readonly AdminVerbName[] = Object.keys(AdminVerb).filter(
  (name): name is AdminVerbName => name !== 'UNSPECIFIED',
);

const REPLY_KINDS = new Map<number, AdminAnswer['kind']>([
  [AdminReplyKind.TEXT, 'text'],
  [AdminReplyKind.JSON, 'json'],
  [AdminReplyKind.OPENMETRICS, 'openmetrics'],
]);
const LONGEST_PATH_BYTES = 4_096;

/** A broker's answer; an exit code other than 0 is an answer too (C-62). */
export interface AdminAnswer {
  /** How to read `body`; `unknown` for a kind that protocol v1 does not name. */
  readonly kind: 'text' | 'json' | 'openmetrics' | 'unknown';
  readonly body: string;
  readonly exitCode: number;
  readonly contentType: string;
}

/**
 * Asks a broker one admin question on a connection of its own (C-60).
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT`, `BROKER_CONNECT`, `TIMEOUT` (phase `connect` or `admin`),
 * `ABORTED`, `DECODE_ADMIN_REPLY`, `UNEXPECTED_RESPONSE_FRAME`, or a framing code.
 */
export async function sendAdminRequest(options: AdminRequestOptions): Promise<AdminAnswer> {
  rejectUnknownOptions('options', options, OPTION_NAMES);
  const {
    verb,
    json = false,
    serviceName,
    outputPath,
    drainDeadlineMs = 0,
    timeoutMs = clientTimeoutFromEnv(),
    signal,
  } = options;
  const verbNumber = AdminVerb[checkName('verb', verb, ADMIN_VERB_NAMES)];
  const brokerEndpoint =
    options.brokerEndpoint === undefined
      ? sharedBrokerEndpoint()
      : checkEndpoint('brokerEndpoint', options.brokerEndpoint);
  const roundTripTimeoutMs = checkDurationMs('timeoutMs', timeoutMs);
  const trust = checkTrust(options.trust);
  if (signal !== undefined) checkSignal('signal', signal);
  const payload = encodeAdminRequest({
    verb: verbNumber,
    json: checkBoolean('json', json),
    serviceName: serviceName === undefined ? '' : checkServiceName('serviceName', serviceName),
    outputPath: outputPath === undefined ? '' : checkText('outputPath', outputPath, LONGEST_PATH_BYTES),
    drainDeadlineMs: BigInt(
      Math.ceil(checkDurationMs('drainDeadlineMs', drainDeadlineMs, { allowZero: true })),
    ),
  });
  const request = encodeFrameToWire({
    envelopeVersion: PROTOCOL_VERSION,
    kind: FrameKind.REQUEST,
    payloadProtocol: PayloadProtocol.ADMIN,
    payload,
    requestId: 1n,
  });
  return await explaining(
    { action: verb, brokerEndpoint, serviceName, signal, aborted: ABORTED },
    async () => {
      const deadlineMs = systemClock.now() + roundTripTimeoutMs;
      return await ask(
        { kind: 'admin', brokerEndpoint, request, deadlineMs, roundTripTimeoutMs, trust },
        signal,
      );
    },
  );
}

const ABORTED = 'the admin request was aborted';

async function ask(job: AdminJob, signal: AbortSignal | undefined): Promise<AdminAnswer> {
  const driver = new EventLoopDriver(systemClock, loadNativeOrWarn());
  const { reply } = await runJob(driver, job, signal, ABORTED);
  const { kind, body, exitCode, contentType } = reply;
  return { kind: REPLY_KINDS.get(kind) ?? 'unknown', body, exitCode, contentType };
}
