import { asFailure, BrokerPoolError, type BrokerPoolFailure, type TimeoutPhase } from '../errors.js';
import { explainedError } from '../explained-error.js';
import type { RememberedRefusal } from './connecting/refusal-memory.js';
import type { Target } from './target.js';

/** How a target stood when an acquire failed: what one would look up next. */
export interface Situation {
  readonly target: Target;
  readonly max: number;
  readonly total: number;
  readonly idle: number;
  readonly leased: number;
  readonly connecting: number;
  readonly waiting: number;
  /** Connects that were tried while the caller waited. */
  readonly attempts: number;
  /** How long the caller has waited. */
  readonly elapsedMs: number;
}

export function abortedError(signal: AbortSignal, situation: Situation): BrokerPoolFailure {
  return explained(new BrokerPoolError('ABORTED', 'acquire was aborted', { cause: signal.reason }), situation);
}

export function queueFullError(maxWaiting: number, situation: Situation): BrokerPoolFailure {
  const message = `no more than ${maxWaiting} callers may wait for others to give a connection back`;
  return explained(new BrokerPoolError('QUEUE_FULL', message), situation);
}

/** @param cause why connecting failed last, where it did */
export function acquireTimeoutError(
  timeoutMs: number,
  phase: TimeoutPhase,
  situation: Situation,
  cause: BrokerPoolError | undefined,
): BrokerPoolFailure {
  const last = cause === undefined ? '' : `; connecting failed last with ${cause.code}: ${cause.message}`;
  const message = `no connection within ${timeoutMs} ms in phase ${phase}${last}`;
  return explained(new BrokerPoolError('TIMEOUT', message, { phase, cause }), situation);
}

/** A caller's own error for a failure that it may share with others: the failure is its cause. */
export function sharedFailureError(failure: BrokerPoolError, { target, attempts, elapsedMs }: Situation): BrokerPoolFailure {
  return explainedError(failure, { ...target, attempts, elapsedMs }, failure);
}

/** A caller's own error for a refusal that the broker gave another caller a moment ago. */
export function rememberedRefusalError({ error, leftMs }: RememberedRefusal, { target, attempts, elapsedMs }: Situation): BrokerPoolFailure {
  return explainedError(error, { ...target, attempts, elapsedMs, situation: `not asked again for another ${Math.ceil(leftMs)} ms` }, error);
}

/** A caller's own error for the end of the pool; the cause is what `destroy` was given. */
export function poolClosedError(reason: BrokerPoolError, target: Target, elapsedMs: number): BrokerPoolFailure {
  return explainedError(reason, { ...target, elapsedMs });
}

/** What a connect threw; anything that is not ours already is an error of the system. */
export function asPoolError(error: unknown): BrokerPoolFailure {
  if (error instanceof BrokerPoolError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return asFailure(new BrokerPoolError('BROKER_CONNECT', `failed to connect: ${message}`, { cause: error }));
}

function explained(error: BrokerPoolError, { target, max, total, idle, leased, connecting, waiting, attempts, elapsedMs }: Situation): BrokerPoolFailure {
  const situation = `total ${total}, idle ${idle}, connecting ${connecting}, waiting ${waiting}, leased ${leased}, max ${max}`;
  return explainedError(error, { ...target, attempts, elapsedMs, situation });
}
