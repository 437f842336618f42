import { Socket } from 'node:net';

/** Why a socket cannot go to another caller. */
export type SocketProblem = 'error' | 'stale' | 'dirty';

type Listener = (...values: unknown[]) => void;

/** The listeners that stay on a socket, whoever has it, by their events. */
export type OwnListeners = ReadonlyMap<string | symbol, Listener>;

/** The listeners that a pool puts on its sockets, and the one that Node does, the same function for each of them. */
export function ownListeners(pools: Readonly<Record<string, Listener>>): OwnListeners {
  const nodes = new Socket().rawListeners('end').filter(isListener);
  return new Map([...nodes.map((listener) => ['end', listener] as const), ...Object.entries(pools)]);
}

function isListener(value: unknown): value is Listener {
  return typeof value === 'function';
}

/**
 * What is wrong with a socket that its caller has given back. Unread or unsent bytes belong to the last conversation, as does what something
 * else still pipes into it: handing them on would mix up two. Nor can an encoding or a cork be taken off again, nor a lost listener put back.
 */
export function socketProblem(socket: Socket, own: OwnListeners): SocketProblem | undefined {
  if (socket.destroyed || !socket.readable || !socket.writable) return socket.errored ? 'error' : 'stale';
  const hasBytes = socket.readableLength > 0 || socket.writableLength > 0 || socket.listenerCount('unpipe') > 0;
  const isChanged = socket.readableEncoding !== null || socket.writableCorked > 0 || !hasAll(socket, own);
  return hasBytes || isChanged ? 'dirty' : undefined;
}

function hasAll(socket: Socket, own: OwnListeners): boolean {
  for (const [event, listener] of own) if (socket.listenerCount(event, listener) === 0) return false;
  return true;
}

/** Takes off what a caller may have left on the socket: a reader that stayed would steal the next caller's bytes. */
export function resetSocket(socket: Socket, own: OwnListeners): void {
  if (socket.listenerCount('data') > 0) {
    socket.removeAllListeners('data');
    // Node forgets that somebody read by 'data' only here. It would make the stream flow again a tick later.
    socket.off('data', doNothing);
  }
  if (socket.listenerCount('readable') > 0) socket.removeAllListeners('readable');
  socket.unpipe();
  if (socket.readableFlowing !== null) stopFlowing(socket);
  if (socket.timeout) socket.setTimeout(0);
  removeListeners(socket, own);
}

/** Nobody takes off the listeners that a request puts on and then does not need; they would pile up, and hear of the next caller's end. */
function removeListeners(socket: Socket, own: OwnListeners): void {
  for (const event of socket.eventNames()) {
    const listener = own.get(event);
    if (listener !== undefined && socket.listenerCount(event) === 1) continue;
    socket.removeAllListeners(event);
    if (listener !== undefined) socket.on(String(event), listener);
  }
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
