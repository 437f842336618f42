import { peerProblem } from '../../os/endpoint-trust.js';
import { wouldBlock } from '../../os/errno.js';
import type { SystemCalls } from '../../os/native.js';
import { NO_PROGRESS } from '../../wire/frame.js';
import { socketOver } from '../sockets/descriptor-socket.js';
import { startedAtMs, type Job } from '../job.js';
import { readOwedReply } from '../sockets/owed-reply.js';
import { Debt, type LeftOver, type OwedReply } from './wait-protocol.js';

/** Takes a debt to a broker over from the wait thread: from here on it is the event loop's. */
export function takeOverOwedReply(
  system: SystemCalls,
  job: Job,
  { descriptor, sent, progress }: OwedReply,
): void {
  const socket = socketOver(system, descriptor);
  if (socket instanceof Error) return;
  if (sent < job.request.length) socket.write(job.request.subarray(sent));
  readOwedReply(socket, { brokerEndpoint: job.brokerEndpoint, progress, sinceMs: startedAtMs(job) });
}

/**
 * Frees what a dead thread had open for a job: whoever is owed something gets it, and whoever owes something
 * is read.
 */
export function clearUp(system: SystemCalls, job: Job, { descriptor, debt }: LeftOver): void {
  switch (debt) {
    case Debt.NOTHING:
      system.close(descriptor);
      return;
    case Debt.REQUEST:
      return sayRequest(system, job, descriptor);
    case Debt.REPLY:
      return takeOverOwedReply(system, job, { descriptor, sent: job.request.length, progress: NO_PROGRESS });
    case Debt.REST_OF_REPLY:
      return takeOverOwedReply(system, job, { descriptor, sent: job.request.length, progress: 'unknown' });
  }
}

/**
 * The thread may have died before its connect, after it, or with the request sent and not noted. A broker
 * takes a bare connect and hang-up badly, but ignores what follows a request (V-31): so it is said, once more
 * perhaps.
 */
function sayRequest(system: SystemCalls, job: Job, descriptor: number): void {
  const taken = peerProblem(descriptor, job.trust) === undefined ? system.send(descriptor, job.request) : -1;
  if (taken < 0 && !wouldBlock(taken)) system.close(descriptor);
  else takeOverOwedReply(system, job, { descriptor, sent: Math.max(taken, 0), progress: NO_PROGRESS });
}
