import type { Socket } from 'node:net';
import { systemClock } from '../clock.js';
import { BrokerPoolError } from '../errors.js';
import { FrameDecoder } from '../wire/frame.js';

/** How reading a connection's first frame ended. */
export type FirstFrame =
  | { readonly kind: 'frame'; readonly body: Uint8Array }
  /** Not the framing of protocol v1. */
  | { readonly kind: 'violation'; readonly error: BrokerPoolError }
  /** The peer ended its side before the frame was whole. */
  | { readonly kind: 'ended' }
  /** The connection is closed. */
  | { readonly kind: 'closed' }
  | { readonly kind: 'expired' };

/**
 * Reads one frame within an absolute limit: a trickle does not extend it (V-20). Reads and drops all bytes
 * behind the frame (V-01), so that the end of the connection is noticed.
 */
export function readFirstFrame(socket: Socket, timeoutMs: number): Promise<FirstFrame> {
  return new Promise((resolve) => {
    const decoder = new FrameDecoder();
    const settle = (result: FirstFrame): void => {
      cancelLimit();
      socket.off('data', onData).off('end', onEnd).off('close', onClose);
      socket.resume();
      resolve(result);
    };
    const onData = (chunk: Buffer): void => {
      try {
        decoder.push(chunk);
        const body = decoder.read();
        if (body !== undefined) settle({ kind: 'frame', body });
      } catch (error) {
        if (!(error instanceof BrokerPoolError)) throw error;
        settle({ kind: 'violation', error });
      }
    };
    const onEnd = (): void => settle({ kind: 'ended' });
    const onClose = (): void => settle({ kind: 'closed' });
    const cancelLimit = systemClock.schedule(timeoutMs, () => settle({ kind: 'expired' }), true);
    socket.on('data', onData).on('end', onEnd).on('close', onClose);
    if (socket.destroyed) onClose();
    // A socket that was accepted without reading does not start by itself.
    else socket.resume();
  });
}
