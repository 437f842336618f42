import type { Socket } from 'node:net';

/** Gives a socket to its next owner as it was accepted: with these bytes unread, and not paused. */
export function giveBack(socket: Socket, unread: Uint8Array): void {
  socket.pause();
  socket.unshift(unread);
  // A paused socket stays paused when its next owner adds listeners. Node looks anew at how a socket shall flow
  // when the last listener of 'readable' has gone.
  const listener = (): void => {};
  socket.on('readable', listener);
  socket.off('readable', listener);
}
