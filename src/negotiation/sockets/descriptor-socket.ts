import type { Socket } from 'node:net';
import type { SystemCalls } from '../../os/native.js';
import { socketOverDescriptor } from '../../os/socket-handle.js';

/** Gets each piece of what arrives, in memory that is overwritten as soon as it returns. */
export type Tap = (bytes: Uint8Array) => void;

/** What taps share: each piece has been consumed before the next one of any socket is read. */
const TAPPED = new Uint8Array(64 * 1024);

/**
 * A socket that owns `descriptor` from here on; when it cannot be made, the descriptor is closed.
 *
 * With a `tap` what arrives goes there and never through the stream: a stream allocates 64 KiB for each read,
 * for a reply of a hundred bytes. Such a socket is of no use to anybody else.
 */
export function socketOver(system: SystemCalls, descriptor: number, tap?: Tap): Socket | Error {
  try {
    if (tap === undefined) return socketOverDescriptor(descriptor);
    const callback = (count: number): boolean => {
      tap(TAPPED.subarray(0, count));
      // There may be a token in it.
      TAPPED.fill(0, 0, count);
      return true;
    };
    return socketOverDescriptor(descriptor, { buffer: TAPPED, callback });
  } catch (error) {
    system.close(descriptor);
    return error instanceof Error ? error : new Error(String(error));
  }
}
