import { reasonOf } from '../abort.js';
import { asFailure, BrokerPoolError, type BrokerPoolFailure, type TimeoutPhase } from '../errors.js';
import { explainedError } from '../explained-error.js';
import type { Target } from './target.js';

/** What happened to one caller of a pool: everything that its error tells beside the failure itself. */
export interface PoolSnapshot {
  readonly target: Target;
  readonly max: number;
  readonly total: number;
  readonly idle: number;
  readonly leased: number;
  readonly connecting: number;
  readonly waiting: number;
  /** Connects to the target that were tried while the caller waited. */
  readonly attempts: number;
  /** How long the caller has waited. */
  readonly elapsedMs: number;
}

export function abortedError(signal: AbortSignal): BrokerPoolError {
  return new BrokerPoolError('ABORTED', 'acquire was aborted', { cause: reasonOf(signal) });
}

/** A signal of the caller's own making that passed the checks, and threw when it was used. */
export function brokenSignalError(cause: unknown): BrokerPoolError {
  return new BrokerPoolError('INVALID_ARGUMENT', 'signal must be an AbortSignal: addEventListener threw', {
    cause,
  });
}

export function queueFullError(maxWaiting: number): BrokerPoolError {
  return new BrokerPoolError(
    'QUEUE_FULL',
    `no more than ${maxWaiting} callers may wait for others to give a connection back`,
  );
}

/** @param cause why connecting failed last, where it did */
export function acquireTimeoutError(
  timeoutMs: number,
  phase: TimeoutPhase,
  cause: BrokerPoolError | undefined,
): BrokerPoolError {
  const last = cause === undefined ? '' : `; connecting failed last with ${cause.code}: ${cause.message}`;
  return new BrokerPoolError('TIMEOUT', `no connection within ${timeoutMs} ms in phase ${phase}${last}`, {
    phase,
    cause,
  });
}

/**
 * The caller's error for a failure that is its own: it is full of what the caller may want to know, and has
 * the failure's cause.
 */
export function ownError(failure: BrokerPoolError, situation: PoolSnapshot): BrokerPoolFailure {
  const { target, max, total, idle, leased, connecting, waiting, attempts, elapsedMs } = situation;
  const counts = `total ${total}, idle ${idle}, connecting ${connecting}, waiting ${waiting}, leased ${leased}, max ${max}`;
  return explainedError(failure, { ...target, attempts, elapsedMs, situation: counts });
}

/**
 * The caller's error for a failure that other callers may have as well. Its cause is what they share: the
 * error of the system behind the failure, or where there is none the failure.
 */
export function sharedError(
  failure: BrokerPoolError,
  { target, attempts, elapsedMs }: PoolSnapshot,
): BrokerPoolFailure {
  return explainedError(failure, { ...target, attempts, elapsedMs }, failure.cause ?? failure);
}

/** What a connect threw; anything that is not ours already is an error of the system. */
export function asPoolError(error: unknown): BrokerPoolFailure {
  if (error instanceof BrokerPoolError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return asFailure(new BrokerPoolError('BROKER_CONNECT', `failed to connect: ${message}`, { cause: error }));
}
