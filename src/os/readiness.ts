import type { Socket } from 'node:net';
import { handleOf, startReading, stopReading } from './socket-handle.js';

/**
 * Calls `onReadable` while the kernel holds bytes of a socket, or its end, and takes none of them: for bytes
 * that must be read by a system call of one's own, because a descriptor comes with them (H-05). It is called
 * once a turn of the event loop until they have been read. Returns a function that stops the calls.
 *
 * The socket itself never reads again. It can write, end and close as before.
 *
 * libuv asks for memory before it reads; given none, it reports that (ENOBUFS) and leaves the bytes alone.
 */
export function watchReadable(socket: Socket, onReadable: () => void): () => void {
  const handle = handleOf(socket);
  if (handle?.useUserBuffer === undefined) throw new Error('the socket has no handle to watch');
  handle.useUserBuffer(new Uint8Array(0));
  Reflect.set(handle, 'onread', onReadable);
  startReading(handle);
  return () => {
    // A closed socket has no handle any more.
    if (handleOf(socket) === handle) stopReading(handle);
  };
}
