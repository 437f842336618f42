import type { Socket } from 'node:net';

/** Why a socket cannot go to another caller. */
export type SocketProblem = 'error' | 'stale' | 'dirty';

/**
 * What is wrong with a socket that its caller has given back. Unread or unsent bytes belong to the last conversation: handing
 * them on would mix up two. Nor can an encoding be taken off a stream again.
 */
export function socketProblem(socket: Socket): SocketProblem | undefined {
  if (socket.destroyed || !socket.readable || !socket.writable) return socket.errored ? 'error' : 'stale';
  const dirty = socket.readableLength > 0 || socket.writableLength > 0 || socket.readableEncoding !== null;
  return dirty ? 'dirty' : undefined;
}

/** Takes off what a caller may have left on the socket: a reader that stayed would steal the next caller's bytes. */
export function resetSocket(socket: Socket): void {
  if (socket.listenerCount('data') > 0) {
    socket.removeAllListeners('data');
    // Node forgets that somebody read by 'data' only here. It would make the stream flow again a tick later.
    socket.off('data', doNothing);
  }
  if (socket.listenerCount('readable') > 0) socket.removeAllListeners('readable');
  socket.unpipe();
  if (socket.readableFlowing !== null) stopFlowing(socket);
  if (socket.timeout) socket.setTimeout(0);
}

/**
 * Takes a stream back to where it was before anybody read from it. One that goes on flowing would throw away what arrives before the next
 * caller listens; one that is paused would wait for ever. A stream that flows already is only unmarked by `resume()`; any other
 * would be set flowing a tick later, under the next caller's hands. The setter is there in every Node; its types hide it.
 */
function stopFlowing(socket: Socket): void {
  Reflect.set(socket, 'readableFlowing', true);
  socket.resume();
  Reflect.set(socket, 'readableFlowing', null);
}

function doNothing(): void {}
