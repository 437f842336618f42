import { connectAndSend } from '../../os/socket.js';
import { checkFile, checkPeer } from '../../os/endpoint-trust.js';
import type { Native } from '../../os/native.js';
import type { Job } from '../job.js';
import { NOT_BEGUN, type Beginning } from './submitted-jobs.js';
import type { ThreadControl } from './thread-control.js';
import { CloseObligation } from './thread-protocol.js';

/** Says the Hello of a job on the calling thread, so that the broker has it before any thread wakes up. */
export function beginJob(
  native: Native,
  { shared, watch }: ThreadControl,
  slot: number,
  job: Job,
): Beginning {
  const { brokerEndpoint, request, trust } = job;
  if (checkFile(brokerEndpoint, trust) !== undefined) return NOT_BEGUN;
  const attempt = connectAndSend(native, brokerEndpoint, request);
  if (attempt.descriptor === undefined) return NOT_BEGUN;
  const { descriptor } = attempt;
  if (checkPeer(descriptor, trust) !== undefined) {
    native.system.close(descriptor);
    return NOT_BEGUN;
  }
  const sent = Math.max(attempt.sent, 0);
  shared.own(
    slot,
    descriptor,
    sent === request.length ? CloseObligation.READ_REPLY : CloseObligation.SEND_REQUEST,
  );
  return { descriptor, sent, watched: sent === request.length && watch?.add(descriptor) === 0 };
}
