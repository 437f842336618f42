import { systemClock } from '../clock.js';
import { runJob, type AdminJob } from '../negotiation/job.js';
import { EventLoopDriver } from '../negotiation/event-loop/event-loop-driver.js';
import { loadNativeOrWarn } from '../os/native.js';
import { derived, duration, flag, option, readOptions, required, type OptionsOf } from '../option-table.js';
import { checkDurationMs, checkName, checkServiceName, checkText } from '../validation.js';
import {
  AdminReplyKind,
  AdminVerb,
  encodeAdminRequest,
  encodeFrameToWire,
  FrameKind,
  PayloadProtocol,
  PROTOCOL_VERSION,
} from '../wire/messages.js';
import { brokerOptions, cancelOptions } from '../broker-options/common-options.js';
import { clientTimeoutFromEnv } from '../broker-options/environment.js';
import { runOneShot } from './one-shot-call.js';

/** A question for {@link sendAdminRequest}. */
export type AdminVerbName = Exclude<keyof typeof AdminVerb, 'UNSPECIFIED'>;

/** All verbs, in the order of their numbers. */
export const ADMIN_VERB_NAMES: readonly AdminVerbName[] = Object.keys(AdminVerb).filter(
  (name): name is AdminVerbName => name !== 'UNSPECIFIED',
);

const REPLY_KINDS = new Map<number, AdminAnswer['kind']>([
  [AdminReplyKind.TEXT, 'text'],
  [AdminReplyKind.JSON, 'json'],
  [AdminReplyKind.OPENMETRICS, 'openmetrics'],
]);
const LONGEST_PATH_BYTES = 4_096;

const adminOptions = {
  /** The question. */
  verb: required((name, value) => checkName(name, value, ADMIN_VERB_NAMES)),
  /** Ask for JSON where the verb has a choice. @default false */
  json: flag(),
  /** For BACKEND_HEALTH. @default '' */
  serviceName: option(checkServiceName, ''),
  /** For DIAGNOSE. @default '' */
  outputPath: option((name, value) => checkText(name, value, LONGEST_PATH_BYTES), ''),
  /** For SHUTDOWN, in milliseconds; today's brokers ignore it. @default 0 */
  drainDeadlineMs: duration(0, { allowZero: true }),
  /**
   * Limit for connect and reply, in milliseconds.
   * @default `RUNNING_PROCESS_BROKER_CLIENT_TIMEOUT_MS`, else 30000
   */
  timeoutMs: derived(checkDurationMs, clientTimeoutFromEnv),
};

export const allAdminOptions = { ...adminOptions, ...brokerOptions, ...cancelOptions };

/** Options of {@link sendAdminRequest}. */
export interface AdminRequestOptions
  extends OptionsOf<typeof adminOptions>, OptionsOf<typeof brokerOptions>, OptionsOf<typeof cancelOptions> {}

/** A broker's answer; an exit code other than 0 is an answer too. */
export interface AdminAnswer {
  /** The format of `body`; `unknown` for a kind that protocol v1 does not name. */
  readonly kind: 'text' | 'json' | 'openmetrics' | 'unknown';
  readonly body: string;
  readonly exitCode: number;
  readonly contentType: string;
}

/**
 * Asks a broker one admin question on a connection of its own.
 *
 * @throws {BrokerPoolError} `INVALID_ARGUMENT`, `BROKER_CONNECT`, `TIMEOUT` (phase `connect` or `admin`),
 * `ABORTED`, `DECODE_ADMIN_REPLY`, `UNEXPECTED_RESPONSE_FRAME`, or a framing code.
 */
export async function sendAdminRequest(options: AdminRequestOptions): Promise<AdminAnswer> {
  const settings = readOptions(allAdminOptions, options);
  const { verb, brokerEndpoint, timeoutMs: roundTripTimeoutMs, trust, signal } = settings;
  // DIAGNOSE takes the path, SHUTDOWN the deadline.
  const payload = encodeAdminRequest({
    verb: AdminVerb[verb],
    json: settings.json,
    serviceName: settings.serviceName,
    outputPath: settings.outputPath,
    drainDeadlineMs: BigInt(Math.ceil(settings.drainDeadlineMs)),
  });
  const request = encodeFrameToWire({
    envelopeVersion: PROTOCOL_VERSION,
    kind: FrameKind.REQUEST,
    payloadProtocol: PayloadProtocol.ADMIN,
    payload,
    requestId: 1n,
  });
  return await runOneShot(
    { action: verb, brokerEndpoint, serviceName: options.serviceName, signal, aborted: ABORTED },
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
