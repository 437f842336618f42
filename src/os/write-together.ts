import type { Socket } from 'node:net';
import { systemCode } from './errno.js';
import { IS_BUN } from './runtime.js';

/** Writes the pieces of frames in one `writev`: a peer that reads a header by itself must not wait for the rest. */
export function writeTogether(socket: Socket, pieces: readonly Uint8Array[]): void {
  if (pieces.length > 1) socket.cork();
  for (const piece of pieces) socket.write(piece);
  if (pieces.length > 1) socket.uncork();
}

/**
 * Whether nothing of the last {@link writeTogether} has reached the peer, asked right behind it. A call that fails
 * with EPIPE at once has written nothing on Linux. Other systems may have delivered a part of it, and Bun makes
 * several calls.
 */
export function hasWrittenNothing(socket: Socket): boolean {
  return socket.errored !== null && isBrokenPipe(socket.errored) && process.platform === 'linux' && !IS_BUN;
}

/**
 * Whether the peer of a Unix socket had closed before the last byte was written, so that it never gets that byte.
 * False for a pipe of Windows, which does not tell.
 */
export function isBrokenPipe(error: unknown): boolean {
  return systemCode(error) === 'EPIPE' && process.platform !== 'win32';
}
