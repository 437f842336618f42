import { systemClock, type Clock } from '../../clock.js';
import { FrameEnd, type FrameProgress } from '../../wire/frame.js';
import { addUnanswered, holdForReply, type BrokerConnection } from './broker-requests.js';

/** A broker gives up on a Hello after 30 s (V-20); from then on a hang-up does it no harm. */
export const GIVE_UP_MS = 35_000;

/** A request whose caller has given up before the broker's reply. */
export interface AbandonedRequest {
  readonly brokerEndpoint: string;
  /**
   * How much has been read of the reply; with `'unknown'` only the end of the stream ends the drain.
   * @default nothing
   */
  readonly progress?: FrameProgress | 'unknown' | undefined;
  /** The reply keeps the process alive for a second from then on, on the monotonic clock. @default now */
  readonly sinceMs?: number | undefined;
  /** For tests. */
  readonly clock?: Clock;
}

/**
 * Takes over the broker connection of an abandoned request, reads it until the reply or its end, and closes
 * it. A registered broker whose client hangs up before the reply ends its accept loop (V-31, X-20).
 */
export function drainReply(
  connection: BrokerConnection,
  { brokerEndpoint, progress, sinceMs, clock = systemClock }: AbandonedRequest,
): void {
  // A frame and no header alone: the broker writes the body in a call of its own (W-12).
  const reply = progress === 'unknown' ? undefined : new FrameEnd(progress);
  const nowMs = clock.now();
  const letGo = holdForReply(brokerEndpoint, sinceMs ?? nowMs);
  connection.unref();
  const removeUnanswered = addUnanswered(brokerEndpoint, nowMs + GIVE_UP_MS);
  const close = (): void => {
    connection.close();
    letGo();
    giveUp.cancel();
    removeUnanswered();
  };
  const giveUp = clock.deadline(GIVE_UP_MS, close);
  const onBytes = (bytes: Uint8Array): void => {
    reply?.push(bytes);
    if (reply?.reached === true) close();
  };
  connection.listen(onBytes, close);
}
