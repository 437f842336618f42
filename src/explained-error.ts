import {
  asFailure,
  BrokerPoolError,
  fieldsOf,
  printableEndpoint,
  type BrokerPoolFailure,
  type ErrorCode,
  type TimeoutPhase,
} from './errors.js';

/** The attempt that an error belongs to, for its message and its fields. */
export interface Tried {
  /** The kind of request, unless it was a connect to a service. */
  readonly action?: string | undefined;
  /** `''` counts as left out: the target has an identity file and needs no broker. */
  readonly brokerEndpoint?: string | undefined;
  readonly serviceName?: string | undefined;
  readonly wantedVersion?: string | undefined;
  readonly attempts?: number | undefined;
  readonly elapsedMs?: number | undefined;
  /** More about the situation, for the message. */
  readonly situation?: string | undefined;
  /** In place of the usual advice. */
  readonly advice?: string | undefined;
}

const NOT_A_BROKER = 'Check brokerEndpoint: what listens there is no broker of protocol v1.';

/** The next step, by code; empty where the message itself says it, and for reserved codes. */
const ADVICE: Readonly<Record<Exclude<ErrorCode, 'TIMEOUT' | 'REFUSED'>, string>> = {
  ABORTED: '',
  BACKEND_CONNECT: "See the backend's log: it cannot be reached where it should listen.",
  BACKEND_START: '',
  BROKER_CONNECT: 'Start the broker, or correct brokerEndpoint.',
  BROKER_DISABLED: '',
  BROKER_DISABLE_ENV: '',
  DECODE_ADMIN_REPLY: NOT_A_BROKER,
  DECODE_FRAME: NOT_A_BROKER,
  DECODE_HELLO_REPLY: NOT_A_BROKER,
  DEFINITION_NOT_WRITTEN: '',
  EMPTY_BACKEND_PIPE: "See the broker's log: it negotiates without naming the backend's endpoint.",
  ENDPOINT_IN_USE: '',
  FRAME_IO: "See the broker's log, and the system error in cause.",
  FRAME_TOO_LARGE: NOT_A_BROKER,
  FRAMING_VERSION: NOT_A_BROKER,
  IDENTITY_FILE: 'Start the backend, or correct the path of its identity file.',
  IDENTITY_MISMATCH:
    'Restart the backend: its identity file is of a process that has ended, or of another one.',
  INVALID_ARGUMENT: '',
  MISSING_HELLO_REPLY_RESULT: 'Compare the versions of the broker and of this package.',
  POOL_CLEARED: '',
  POOL_CLOSED: 'Use another pool.',
  PUBLISH_FAILED: '',
  QUEUE_FULL: 'Come back later, or raise maxWaiting or max.',
  REQUEST_FAILED: '',
  SESSION_CLOSED: 'Use another session.',
  UNEXPECTED_EOF: "See the broker's log: it crashed, is overloaded, or does not serve this user.",
  UNEXPECTED_RESPONSE_FRAME: NOT_A_BROKER,
  UNSUPPORTED_RUNTIME: '',
  VALIDATION_FAILED: 'Mend validate, or see the log of the backend.',
  WORKER_FAILED: 'See docs/sharing.md for what sharing needs, and the error in cause.',
};

const TIMEOUT_ADVICE: Readonly<Record<TimeoutPhase, string>> = {
  queue: 'Raise max, or hold leases for less time.',
  connect: 'See why connecting fails or waits, in cause and in the log of the broker.',
  hello: 'The broker is silent or overloaded: see its log, or allow more time.',
  handoff: '',
  validate: 'See why validate takes so long, or allow more time.',
  admin: 'The broker is silent or overloaded: see its log, or allow more time.',
  probe: 'The backend is silent or overloaded: see its log, or allow more time.',
  request: 'The backend is silent or overloaded: see its log, or allow more time.',
};

const REFUSAL_ADVICE: Readonly<Record<number, string>> = {
  1: 'Use a broker that speaks protocol v1.',
  2: 'Define the service for the broker, or correct serviceName.',
  3: 'No backend of this version is registered, or it could not be started: check wantedVersion, and see the logs.',
  4: 'Come back later, after retryAfterMs at the earliest.',
  5: 'Come back when the broker has started again.',
  6: "See the broker's log for what it does not accept of this client.",
  7: "See the broker's log: the fault is its own.",
  8: 'Ask for another wantedVersion, or have this one allowed.',
  9: 'Raise the limit of descriptors of the broker, or come back later.',
};

/**
 * The error for one caller. Its message names the failure, the service and version, the broker, the attempts
 * and the time they took, and advice. Its fields are those of the failure and of the attempt.
 *
 * @param cause in place of the failure's own
 */
export function explainedError(
  failure: BrokerPoolError,
  tried: Tried,
  cause: unknown = failure.cause,
): BrokerPoolFailure {
  // An invalid argument has nothing to do with the attempt.
  if (failure.code === 'INVALID_ARGUMENT') return asFailure(failure);
  const { brokerEndpoint, serviceName, wantedVersion, attempts } = tried;
  const elapsedMs = tried.elapsedMs && Math.round(tried.elapsedMs);
  const details = { ...fieldsOf(failure), serviceName, wantedVersion, attempts, elapsedMs, cause };
  const message = [`${failure.message} (${describeTried(tried)}).`, tried.advice ?? adviceFor(failure)]
    .join(' ')
    .trimEnd();
  const endpoint = failure.endpoint ?? (brokerEndpoint === '' ? undefined : brokerEndpoint);
  return asFailure(new BrokerPoolError(failure.code, message, { ...details, endpoint }));
}

function describeTried({
  action,
  brokerEndpoint,
  serviceName,
  wantedVersion,
  attempts,
  elapsedMs,
  situation,
}: Tried): string {
  const service = [action, serviceName, wantedVersion].filter((name) => name !== undefined).join(' ');
  const broker =
    brokerEndpoint === undefined || brokerEndpoint === '' ? '' : `at ${printableEndpoint(brokerEndpoint)}`;
  const where = [service, broker].filter((part) => part !== '').join(' ');
  const tries = attempts === undefined ? '' : `${attempts} ${attempts === 1 ? 'attempt' : 'attempts'} in `;
  const spent = elapsedMs === undefined ? '' : `${tries}${Math.round(elapsedMs)} ms`;
  return [situation === undefined ? where : `${where}: ${situation}`, spent]
    .filter((part) => part !== '')
    .join(', ');
}

/** The next step; empty where the message itself says it. */
export function adviceFor({ code, phase, refusalCode, cause }: BrokerPoolError): string {
  const systemCode = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (systemCode === 'EUNTRUSTED') return 'See docs/security.md for what is trusted.';
  if (systemCode === 'EUNANSWERED') return 'See whether the broker is stopped or blocked, and restart it.';
  if (code === 'TIMEOUT') return phase === undefined ? '' : TIMEOUT_ADVICE[phase];
  if (code === 'REFUSED') return REFUSAL_ADVICE[refusalCode ?? 0] ?? "See the broker's log.";
  return ADVICE[code];
}
