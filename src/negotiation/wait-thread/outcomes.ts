import type { SystemCalls } from '../../os/native.js';
import { exchangeFor, type Job, type Outcome } from '../job.js';
import { socketOver } from '../sockets/dial.js';
import { drainOnEventLoop } from './orphaned-socket.js';
import type { ThreadOutcome } from './thread-protocol.js';

/**
 * Turns what came over from the thread into what the caller gets; from here on the descriptors are sockets.
 */
export function receiveOutcome(system: SystemCalls, job: Job, outcome: ThreadOutcome): Outcome {
  if (outcome.kind === 'answered') return outcome;
  if (outcome.kind === 'failed') {
    if (outcome.unreadReply !== undefined) drainOnEventLoop(system, job, outcome.unreadReply);
    return outcome;
  }
  const { descriptor, endpoint, route, negotiated, residue } = outcome;
  const socket = socketOver(system, descriptor);
  if (socket instanceof Error) {
    negotiated.handlePassedToken.fill(0);
    const message = `failed to take over the connection: ${socket.message}`;
    return { kind: 'failed', failure: { code: 'BACKEND_CONNECT', message, endpoint } };
  }
  if (residue !== undefined && residue.length > 0) socket.unshift(residue);
  return { kind: 'connected', socket, endpoint, route, negotiated };
}

/** Takes the outcome of a job that has been given up since. */
export function discardOutcome(outcome: Outcome): void {
  if (outcome.kind !== 'connected') return;
  outcome.socket.destroy();
  outcome.negotiated.handlePassedToken.fill(0);
}

/** How a job ends whose time is over. */
export function expiredOutcome(job: Job): Outcome {
  const step = exchangeFor(job).expire();
  if (step.kind !== 'failed') throw new Error('a job whose reply has not come cannot end otherwise');
  return { kind: 'failed', failure: step.failure };
}
