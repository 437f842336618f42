import { reasonOf } from '../abort.js';
import { BrokerPoolError, type TimeoutPhase } from '../errors.js';
import { printableEndpoint } from '../os/errno.js';
import type { Target } from './target.js';

/** How a target stood when an acquire failed: what one would look up next. */
export interface Situation {
  readonly target: Target;
  readonly total: number;
  readonly idle: number;
  readonly connecting: number;
  readonly waiting: number;
}

export function abortedError(signal: AbortSignal): BrokerPoolError {
  return new BrokerPoolError('ABORTED', 'acquire was aborted', { cause: reasonOf(signal) });
}

/** A signal of the caller's own making that passed the checks, and threw when it was used. */
export function brokenSignalError(cause: unknown): BrokerPoolError {
  return new BrokerPoolError('INVALID_ARGUMENT', 'signal must be an AbortSignal: addEventListener threw', { cause });
}

export function queueFullError(maxWaiting: number, situation: Situation): BrokerPoolError {
  return new BrokerPoolError('QUEUE_FULL', `no more than ${maxWaiting} callers may wait for others to give a connection back (${describe(situation)})`);
}

/** @param cause why connecting failed last, where it did */
export function acquireTimeoutError(
  timeoutMs: number,
  waitedMs: number,
  phase: TimeoutPhase,
  situation: Situation,
  cause: BrokerPoolError | undefined,
): BrokerPoolError {
  const message = `no connection within ${timeoutMs} ms (waited ${Math.round(waitedMs)} ms, phase ${phase}; ${describe(situation)})`;
  return new BrokerPoolError('TIMEOUT', message, { phase, endpoint: situation.target.brokerEndpoint, cause });
}

/** What a connect threw; anything that is not ours already is an error of the system. */
export function asPoolError(error: unknown): BrokerPoolError {
  if (error instanceof BrokerPoolError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new BrokerPoolError('BROKER_CONNECT', `failed to connect: ${message}`, { cause: error });
}

function describe({ target, total, idle, connecting, waiting }: Situation): string {
  const { serviceName, wantedVersion, brokerEndpoint } = target;
  const where = `${serviceName} ${wantedVersion} at ${printableEndpoint(brokerEndpoint)}`;
  return `${where}: total ${total}, idle ${idle}, connecting ${connecting}, waiting ${waiting}`;
}
