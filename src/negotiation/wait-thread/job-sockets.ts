import { connectAndSend } from '../../os/socket.js';
import { checkFile, checkPeer } from '../../os/endpoint-trust.js';
import { wouldBlock } from '../../os/errno.js';
import type { Native, SystemCalls } from '../../os/native.js';
import type { Watch } from '../../os/poller-kinds.js';
import { NO_PROGRESS } from '../../wire/frame.js';
import { startedAtMs, type Job, type Outcome } from '../job.js';
import { socketOver } from '../sockets/dial.js';
import { streamConnection } from '../sockets/broker-requests.js';
import { drainReply } from '../sockets/drain-reply.js';
import {
  CloseObligation,
  type OrphanedSocket,
  type SharedThreadState,
  type StartCommand,
  type ThreadOutcome,
  type UnreadReply,
} from './thread-protocol.js';

/** How far the main thread has come with a job; see the start command. */
export type JobStart = Pick<StartCommand, 'descriptor' | 'sent' | 'watched'>;

/** Leaves the whole job to the wait thread, which dials, and turns each error into a failure. */
export const NOT_STARTED: JobStart = { descriptor: -1, sent: 0, watched: false };

/** Sends the request of a job on the calling thread, so that the broker has it before any thread wakes up. */
export function startJob(
  native: Native,
  shared: SharedThreadState,
  watch: Watch | undefined,
  slot: number,
  job: Job,
): JobStart {
  const { brokerEndpoint, request, trust } = job;
  if (checkFile(brokerEndpoint, trust) !== undefined) return NOT_STARTED;
  const attempt = connectAndSend(native, brokerEndpoint, request);
  if (attempt.descriptor === undefined) return NOT_STARTED;
  const { descriptor } = attempt;
  if (checkPeer(descriptor, trust) !== undefined) {
    native.system.close(descriptor);
    return NOT_STARTED;
  }
  const sent = Math.max(attempt.sent, 0);
  const isSent = sent === request.length;
  shared.own(slot, descriptor, isSent ? CloseObligation.READ_REPLY : CloseObligation.SEND_REQUEST);
  return { descriptor, sent, watched: isSent && watch?.add(descriptor) === 0 };
}

/** Makes an outcome of the thread one for the caller: its descriptors become sockets. */
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

/** Reads a reply to its end on the event loop, on a connection that the wait thread has let go of. */
function drainOnEventLoop(system: SystemCalls, job: Job, { descriptor, sent, progress }: UnreadReply): void {
  const socket = socketOver(system, descriptor);
  if (socket instanceof Error) return;
  if (sent < job.request.length) socket.write(job.request.subarray(sent));
  const { brokerEndpoint } = job;
  drainReply(streamConnection(socket), { brokerEndpoint, progress, sinceMs: startedAtMs(job) });
}

/**
 * Frees the sockets that a dead thread had open for a job: a broker gets the rest of the request, and its reply is
 * read.
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
      return sendRequest(system, job, descriptor);
    case CloseObligation.READ_REPLY:
      return drainOnEventLoop(system, job, { descriptor, sent: job.request.length, progress: NO_PROGRESS });
    case CloseObligation.READ_REST:
      return drainOnEventLoop(system, job, { descriptor, sent: job.request.length, progress: 'unknown' });
  }
}

/**
 * The thread may have died before its connect, after it, or after it sent the request and before it noted
 * that. A broker takes a bare connect and hang-up badly, but ignores bytes behind a request (V-31). So the
 * request is sent, perhaps for the second time.
 */
function sendRequest(system: SystemCalls, job: Job, descriptor: number): void {
  const taken = checkPeer(descriptor, job.trust) === undefined ? system.send(descriptor, job.request) : -1;
  if (taken < 0 && !wouldBlock(taken)) system.close(descriptor);
  else drainOnEventLoop(system, job, { descriptor, sent: Math.max(taken, 0), progress: NO_PROGRESS });
}
