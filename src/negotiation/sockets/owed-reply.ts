import type { Socket } from 'node:net';
import { systemClock } from '../../clock.js';
import { FrameEnd } from '../../wire/frame-end.js';
import type { FrameProgress } from '../../wire/frame.js';

/** How long an owed reply keeps the process alive: a broker in health answers within milliseconds. */
const KEEP_ALIVE_MS = 1_000;
/** A broker gives up on a Hello after 30 s (V-20); after that nobody is left to hurt. */
const GIVE_UP_MS = 35_000;

/**
 * Takes over a broker connection that nobody waits for any more, reads it until the reply or its end, and closes it. A
 * registered broker whose client hangs up before the reply ends its accept loop (V-31, X-20).
 *
 * @param progress what others have read of the reply; `'unknown'` where they cannot tell any more: then only the end of the stream is
 * the end. @default nothing
 */
export function readOwedReply(socket: Socket, progress?: FrameProgress | 'unknown'): void {
  const read = owedReplyReader(socket, progress);
  socket.on('data', (bytes: Buffer) => {
    read(bytes);
    bytes.fill(0);
  });
}

/** The same for a socket that does not emit 'data': the returned function must be given what arrives. */
export function owedReplyReader(socket: Socket, progress?: FrameProgress | 'unknown'): (bytes: Uint8Array) => void {
  // A frame and no header alone: the broker writes the body in a call of its own (W-12).
  const reply = progress === 'unknown' ? undefined : new FrameEnd(progress);
  const close = (): void => {
    socket.destroy();
  };
  socket.on('end', close);
  socket.on('error', close);
  const cancelUnref = systemClock.schedule(KEEP_ALIVE_MS, () => socket.unref());
  const giveUp = systemClock.deadline(GIVE_UP_MS, close);
  socket.on('close', () => {
    cancelUnref();
    giveUp.cancel();
  });
  return (bytes) => {
    reply?.push(bytes);
    if (reply?.reached === true) close();
  };
}
