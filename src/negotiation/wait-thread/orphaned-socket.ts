import { checkPeer } from '../../os/endpoint-trust.js';
import { wouldBlock } from '../../os/errno.js';
import type { SystemCalls } from '../../os/native.js';
import { NO_PROGRESS } from '../../wire/frame.js';
import { socketOver } from '../sockets/dial.js';
import { startedAtMs, type Job } from '../job.js';
import { drainReply } from '../sockets/drain-reply.js';
import { CloseObligation, type OrphanedSocket, type UnreadReply } from './thread-protocol.js';

/** Reads a reply to its end on the event loop, on a connection that the wait thread has let go of. */
export function drainOnEventLoop(
  system: SystemCalls,
  job: Job,
  { descriptor, sent, progress }: UnreadReply,
): void {
  const socket = socketOver(system, descriptor);
  if (socket instanceof Error) return;
  if (sent < job.request.length) socket.write(job.request.subarray(sent));
  drainReply(socket, { brokerEndpoint: job.brokerEndpoint, progress, sinceMs: startedAtMs(job) });
}

/**
 * Frees what a dead thread had open for a job: a broker gets the rest of the request, and its reply is read.
 */
export function recoverOrphan(
  system: SystemCalls,
  job: Job,
  { descriptor, obligation }: OrphanedSocket,
): void {
  switch (obligation) {
    case CloseObligation.NONE:
      system.close(descriptor);
      return;
    case CloseObligation.SEND_REQUEST:
      return sayRequest(system, job, descriptor);
    case CloseObligation.READ_REPLY:
      return drainOnEventLoop(system, job, { descriptor, sent: job.request.length, progress: NO_PROGRESS });
    case CloseObligation.READ_REST:
      return drainOnEventLoop(system, job, { descriptor, sent: job.request.length, progress: 'unknown' });
  }
}

/**
 * The thread may have died before its connect, after it, or with the request sent and not noted. A broker
 * takes a bare connect and hang-up badly, but ignores what follows a request (V-31): so it is said, once more
 * perhaps.
 */
function sayRequest(system: SystemCalls, job: Job, descriptor: number): void {
  const taken = checkPeer(descriptor, job.trust) === undefined ? system.send(descriptor, job.request) : -1;
  if (taken < 0 && !wouldBlock(taken)) system.close(descriptor);
  else drainOnEventLoop(system, job, { descriptor, sent: Math.max(taken, 0), progress: NO_PROGRESS });
}
