import {
  asFailure,
  BrokerPoolError,
  fieldsOf,
  printable,
  type BrokerPoolFailure,
  type ErrorCode,
  textOf,
} from '../errors.js';
import { explainedError } from '../explained-error.js';

/** The other end of a session, for error messages. */
export interface SessionTarget {
  readonly endpoint?: string | undefined;
  readonly serviceName?: string | undefined;
  readonly wantedVersion?: string | undefined;
}

/** A request as its error tells it. */
export interface RequestFacts {
  readonly target: SessionTarget;
  readonly attempts: number;
  readonly elapsedMs: number;
  /** Whether the caller has allowed to repeat the request. */
  readonly isIdempotent?: boolean;
  /** Where the request was when it failed. */
  readonly situation?: string | undefined;
  /** In place of the usual advice. */
  readonly advice?: string | undefined;
}

const FOREIGN = 'What listens there does not speak protocol v1 as a backend, or not this payload protocol.';
const LOST =
  "See the backend's log: it ended, restarted, failed with a request, or does not serve this payload protocol.";
const POOL_ENDED = 'Use another pool. The backend may have executed this request.';
const REPEATABLE = 'Give idempotent: true with a request that may be repeated.';

/** The next step after a request has waited in vain while connections were open. */
export const ALL_BUSY = 'Allow more connections, maxInFlight or time: all connections were in use.';
/** The next step after a request has waited in vain for the first connection. */
export const NO_CONNECTION =
  'See why no connection comes about: the broker or the backend may be silent, or the pool at its limit.';
/** The next step after a request has waited in vain for what other users of the pool hold. */
export const POOL_FULL = 'Raise max, or hold leases and detached sockets for less time.';

/** The next step after a failure on a backend's connection; the usual advice speaks of brokers. */
const ADVICE: Partial<Readonly<Record<ErrorCode, string>>> = {
  DECODE_FRAME: FOREIGN,
  FRAMING_VERSION: FOREIGN,
  UNEXPECTED_RESPONSE_FRAME: FOREIGN,
  FRAME_IO: LOST,
  FRAME_TOO_LARGE: FOREIGN,
  QUEUE_FULL: 'Come back later, or raise maxWaiting, connections or maxInFlight.',
  UNEXPECTED_EOF: LOST,
};

/**
 * The error of one request. Its message says what failed, at which backend, after how many attempts and how long.
 *
 * @param isShared other requests fail with the same error, which is the cause of each
 */
export function requestError(
  failure: BrokerPoolError,
  facts: RequestFacts,
  isShared: boolean,
): BrokerPoolFailure {
  // Why connecting failed says already what was tried.
  if (failure.attempts !== undefined) return copyOf(failure);
  const { target, attempts, elapsedMs, situation } = facts;
  return explainedError(
    failure,
    {
      action: 'request',
      brokerEndpoint: failure.endpoint ?? target.endpoint,
      serviceName: target.serviceName,
      wantedVersion: target.wantedVersion,
      attempts,
      elapsedMs,
      situation,
      advice: facts.advice ?? adviceFor(failure.code, facts),
    },
    failure.cause ?? (isShared ? failure : undefined),
  );
}

function adviceFor(code: ErrorCode, { attempts, isIdempotent }: RequestFacts): string | undefined {
  if (code === 'FRAME_TOO_LARGE' && attempts === 0) return 'Send less than 16 MiB in a request.';
  if (code === 'FRAME_IO' && attempts === 0) return 'See cause: nothing of it was sent.';
  if (code === 'POOL_CLOSED' && attempts > 0) return POOL_ENDED;
  const advice = ADVICE[code];
  return advice === LOST && !isIdempotent ? `${LOST} ${REPEATABLE}` : advice;
}

/** Each caller has an error of its own. */
function copyOf(failure: BrokerPoolError): BrokerPoolFailure {
  const cause = failure.cause ?? failure;
  return asFailure(new BrokerPoolError(failure.code, failure.message, { ...fieldsOf(failure), cause }));
}

/** Why connecting failed. A pool that is not of this package may reject with any error. */
export function openError(error: unknown): BrokerPoolError {
  if (error instanceof BrokerPoolError) return error;
  const reason = textOf(error);
  return new BrokerPoolError('BACKEND_CONNECT', `failed to connect: ${printable(reason)}`, { cause: error });
}

/** Why a request cannot be put into a frame. Without memory for the frame, Node throws an error of its own. */
export function unwritableError(error: unknown): BrokerPoolError {
  if (error instanceof BrokerPoolError) return error;
  const reason = textOf(error);
  return new BrokerPoolError('FRAME_IO', `the request cannot be written: ${printable(reason)}`, {
    cause: error,
  });
}

export function malformedAnswerError(requestId: number | bigint, problem: string): BrokerPoolError {
  return new BrokerPoolError('UNEXPECTED_RESPONSE_FRAME', `the answer to request ${requestId} ${problem}`);
}

export function connectionFailedError(cause: Error): BrokerPoolError {
  return new BrokerPoolError('FRAME_IO', `the connection failed: ${printable(cause.message)}`, { cause });
}

export function connectionClosedError(): BrokerPoolError {
  return new BrokerPoolError('UNEXPECTED_EOF', 'the backend closed the connection before its answer');
}

/** @param wait what the request has waited for in vain; `undefined` where it had a connection, or is not known */
export function requestTimeoutError(timeoutMs: number, wait: BrokerPoolFailure | undefined): BrokerPoolError {
  const last = wait?.cause instanceof BrokerPoolError ? wait.cause : undefined;
  const why = last === undefined ? '' : `; connecting failed last with ${last.code}: ${last.message}`;
  const where = wait?.phase === undefined ? '' : `, nor a connection in phase ${wait.phase}${why}`;
  return new BrokerPoolError('TIMEOUT', `no answer within ${timeoutMs} ms${where}`, {
    phase: 'request',
    endpoint: wait?.endpoint,
    cause: wait,
  });
}

export function queueFullError(maxWaiting: number): BrokerPoolError {
  const requests = maxWaiting === 1 ? 'request' : 'requests';
  return new BrokerPoolError('QUEUE_FULL', `no more than ${maxWaiting} ${requests} may wait for others`);
}

export function sessionClosedError(message = 'the session is closed'): BrokerPoolError {
  return new BrokerPoolError('SESSION_CLOSED', message);
}
