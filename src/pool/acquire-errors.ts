import { asFailure, BrokerPoolError, type BrokerPoolFailure, type TimeoutPhase, textOf } from '../errors.js';
import { explainedError } from '../explained-error.js';
import type { Target } from '../target.js';
import type { TargetCounts } from './watching/stats.js';

/** The state of a target pool that errors tell. */
export interface PoolSnapshot extends Omit<TargetCounts, 'pausing'> {
  readonly target: Target;
  readonly max: number;
  /** Connect attempts that have begun so far. */
  readonly attempts: number;
}

/** The message where the signal of an acquire has aborted. */
export const ABORTED = 'acquire was aborted';

/** The names of a target, as far as a caller or the pool's options give them. */
type TargetNames = { readonly [Name in keyof Target]?: string | undefined };

/** @param options of the call, before those of the pool */
export function closedError(settings: TargetNames, options: TargetNames = {}): BrokerPoolFailure {
  return explainedError(new BrokerPoolError('POOL_CLOSED', 'the pool is closed'), {
    brokerEndpoint: settings.brokerEndpoint,
    serviceName: options.serviceName ?? settings.serviceName,
    wantedVersion: options.wantedVersion ?? settings.wantedVersion,
    attempts: 0,
    elapsedMs: 0,
  });
}

/** @param cause the argument of `destroy` */
export function destroyedError(cause: Error | undefined): BrokerPoolError {
  return new BrokerPoolError('POOL_CLOSED', 'the pool was destroyed', { cause });
}

export function queueFullError(maxWaiting: number): BrokerPoolError {
  const callers = maxWaiting === 1 ? 'caller' : 'callers';
  return new BrokerPoolError(
    'QUEUE_FULL',
    `no more than ${maxWaiting} ${callers} may wait for others to give a connection back`,
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
 * The error of one caller. Where other callers share the failure, all their errors have the same cause: the error
 * of the system, or the failure itself where there is none.
 *
 * @param attemptsBefore connect attempts that had ended when the caller began to wait; `undefined` if not known
 */
export function callerError(
  failure: BrokerPoolError,
  isShared: boolean,
  snapshot: PoolSnapshot,
  attemptsBefore: number | undefined,
  elapsedMs: number,
): BrokerPoolFailure {
  const { target, max, total, idle, leased, detached, connecting, waiting } = snapshot;
  const attempts = attemptsBefore === undefined ? undefined : snapshot.attempts - attemptsBefore;
  const facts = { ...target, attempts, elapsedMs };
  if (isShared) return explainedError(failure, facts, failure.cause ?? failure);
  const open = `total ${total}, idle ${idle}, connecting ${connecting}`;
  const out = detached === 0 ? `leased ${leased}` : `leased ${leased}, detached ${detached}`;
  const situation = `${open}, waiting ${waiting}, ${out}, max ${max}`;
  // `undefined` gives the usual advice.
  const advice = failure.phase === 'queue' && detached > 0 ? adviceOnDetached(leased) : undefined;
  return explainedError(failure, { ...facts, situation, advice });
}

/** For a caller that waits in vain while sockets are detached, which no release brings back. */
function adviceOnDetached(leased: number): string {
  const hold = leased > 0 ? 'hold leases for less time, ' : '';
  return `Raise max, ${hold}or close detached sockets: each keeps its place until it closes.`;
}

/** The error of a connect: any but a `BrokerPoolError` comes from the system. */
export function asPoolError(error: unknown): BrokerPoolFailure {
  if (error instanceof BrokerPoolError) return error;
  const message = textOf(error);
  return asFailure(new BrokerPoolError('BROKER_CONNECT', `failed to connect: ${message}`, { cause: error }));
}
