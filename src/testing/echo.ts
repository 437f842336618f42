import type { Socket } from 'node:net';

/** Sends back what arrives, until the peer ends its side. */
export function serveEcho(socket: Socket): void {
  socket.pipe(socket);
}
