import type { Socket } from 'node:net';

/** Writes the pieces of frames in one `writev`: a peer that reads a header by itself must not wait for the rest. */
export function writeTogether(socket: Socket, pieces: readonly Uint8Array[]): void {
  if (pieces.length > 1) socket.cork();
  for (const piece of pieces) socket.write(piece);
  if (pieces.length > 1) socket.uncork();
}
