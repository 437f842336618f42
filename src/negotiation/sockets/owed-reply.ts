import type { Socket } from 'node:net';
import { systemClock } from '../../clock.js';
import { FrameEnd } from '../../wire/frame-end.js';
import type { FrameProgress } from '../../wire/frame.js';
import { addUnanswered, holdForReply } from '../unanswered.js';

/** A broker gives up on a Hello after 30 s (V-20); from then on a hang-up does it no harm. */
const GIVE_UP_MS = 35_000;

/** A request whose caller has given up while the broker owes its reply. */
export interface AbandonedRequest {
  readonly brokerEndpoint: string;
  /** What others have read of the reply; `'unknown'` where they cannot tell: then only the end of the stream is the end. @default nothing */
  readonly progress?: FrameProgress | 'unknown' | undefined;
  /** The reply keeps the process alive for a second from then on, on the monotonic clock. @default now */
  readonly sinceMs?: number | undefined;
}

/**
 * Takes over a broker connection that no caller waits for any more, reads it until the reply or its end, and closes it. A registered broker
 * whose client hangs up before the reply ends its accept loop (V-31, X-20).
 */
export function readOwedReply(socket: Socket, request: AbandonedRequest): void {
  const read = owedReplyReader(socket, request);
  socket.on('data', (bytes: Buffer) => {
    read(bytes);
    bytes.fill(0);
  });
}

/** The same for a socket that does not emit 'data': the returned function must be given what arrives. */
export function owedReplyReader(socket: Socket, { brokerEndpoint, progress, sinceMs }: AbandonedRequest): (bytes: Uint8Array) => void {
  // A frame and no header alone: the broker writes the body in a call of its own (W-12).
  const reply = progress === 'unknown' ? undefined : new FrameEnd(progress);
  const nowMs = systemClock.now();
  const close = (): void => {
    socket.destroy();
  };
  socket.on('end', close);
  socket.on('error', close);
  const letGo = holdForReply(brokerEndpoint, sinceMs ?? nowMs);
  socket.unref();
  const removeUnanswered = addUnanswered(brokerEndpoint, nowMs + GIVE_UP_MS);
  const giveUp = systemClock.deadline(GIVE_UP_MS, close);
  socket.on('close', () => {
    letGo();
    giveUp.cancel();
    removeUnanswered();
  });
  return (bytes) => {
    reply?.push(bytes);
    if (reply?.reached === true) close();
  };
}
