import type { Socket } from 'node:net';

/** What is used of the handle behind a `net.Socket`. Node documents none of it; it has been there, unchanged, since Node 4. */
interface StreamHandle {
  readonly fd: number;
  reading: boolean;
  readStop(): void;
}

function isStreamHandle(value: unknown): value is StreamHandle {
  return typeof value === 'object' && value !== null && 'fd' in value && typeof value.fd === 'number' && 'readStop' in value;
}

/**
 * Takes the file descriptor of an accepted socket, after which Node no longer reads from it: bytes that belong to another
 * process, or that carry a descriptor, must not end in this one's buffers. Returns -1 on Windows and for a socket that is closed.
 *
 * The only place that reaches into Node's own objects: there is no public way to a socket's descriptor.
 */
export function stopReading(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, '_handle');
  if (!isStreamHandle(handle)) return -1;
  socket.pause();
  handle.reading = false;
  handle.readStop();
  return handle.fd;
}
