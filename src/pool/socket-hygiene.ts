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
  removeReaders(socket, 'data');
  removeReaders(socket, 'readable');
  socket.unpipe();
  if (socket.readableFlowing !== null) stopFlowing(socket);
  if (socket.timeout) socket.setTimeout(0);
}

/** One by one: after `removeAllListeners('data')` a stream believes that somebody listens, and throws away what arrives. */
function removeReaders(socket: Socket, event: 'data' | 'readable'): void {
  if (socket.listenerCount(event) === 0) return;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Node declares listeners as just any function
  for (const reader of socket.rawListeners(event) as (() => void)[]) socket.off(event, reader);
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
