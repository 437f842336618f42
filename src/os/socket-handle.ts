import { Socket } from 'node:net';

/** What is used of the handle behind a `net.Socket`. Node documents none of it; it has been there, unchanged, since Node 4. */
interface StreamHandle {
  readonly fd: number;
  reading: boolean;
  readStart(): number;
  readStop(): void;
}

/** There is no public way to a socket's descriptor. docs/security.md lists all that is used of Node's own objects. */
function handleOf(socket: Socket): StreamHandle | undefined {
  const handle: unknown = Reflect.get(socket, '_handle');
  return isStreamHandle(handle) ? handle : undefined;
}

function isStreamHandle(value: unknown): value is StreamHandle {
  return (
    typeof value === 'object' && value !== null && 'fd' in value && typeof value.fd === 'number' && 'readStart' in value && 'readStop' in value
  );
}

/** The file descriptor of a connected socket; -1 on Windows and for one that is closed. It stays the socket's own. */
export function descriptorOf(socket: Socket): number {
  return handleOf(socket)?.fd ?? -1;
}

const HELD = Symbol('reading is held');

/** A socket whose reading has been held at least once. */
type GatedSocket = Socket & { [HELD]?: boolean };

/**
 * Stops Node from reading, from this moment on and whatever asks it to: bytes that belong to somebody else, or that carry a
 * descriptor, must not end in this socket's buffers. `pause()` alone goes on reading until the stream's buffer is full, and
 * a listener that was left on the socket could set it going again.
 */
export function holdReading(socket: GatedSocket): void {
  if (socket[HELD] === undefined) socket._read = readUnlessHeld;
  socket[HELD] = true;
  const handle = handleOf(socket);
  if (handle === undefined) return;
  handle.reading = false;
  handle.readStop();
}

/** Reads again, as before {@link holdReading}. */
export function resumeReading(socket: GatedSocket): void {
  socket[HELD] = false;
  const handle = handleOf(socket);
  if (handle === undefined) return;
  // Not by `read(0)`: the stream believes that a read is under way, and would not start one.
  handle.reading = true;
  if (handle.readStart() < 0) socket.destroy(new Error('cannot read from the connection any more'));
}

/** In place of the socket's own `_read`, which starts its handle. */
function readUnlessHeld(this: GatedSocket, size: number): void {
  if (this[HELD] !== true) Socket.prototype._read.call(this, size);
}
