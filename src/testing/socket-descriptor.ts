import type { Socket } from 'node:net';

/** What is used of the handle behind a `net.Socket`. Node documents none of it; it has been there, unchanged, since Node 4. */
interface StreamHandle {
  readonly fd: number;
  reading: boolean;
  readStop(): void;
}

/** The only place that reaches into Node's own objects: there is no public way to a socket's descriptor. */
function handleOf(socket: Socket): StreamHandle | undefined {
  const handle: unknown = Reflect.get(socket, '_handle');
  return isStreamHandle(handle) ? handle : undefined;
}

function isStreamHandle(value: unknown): value is StreamHandle {
  return typeof value === 'object' && value !== null && 'fd' in value && typeof value.fd === 'number' && 'readStop' in value;
}

/** The file descriptor of a connected socket; -1 on Windows and for one that is closed. It stays the socket's own. */
export function descriptorOf(socket: Socket): number {
  return handleOf(socket)?.fd ?? -1;
}

/**
 * Keeps Node from reading on: bytes that belong to another process, or that carry a descriptor, must not end in this one's
 * buffers. `pause()` alone goes on reading until the stream's buffer is full.
 */
export function stopReading(socket: Socket): void {
  socket.pause();
  const handle = handleOf(socket);
  if (handle === undefined) return;
  handle.reading = false;
  handle.readStop();
}
