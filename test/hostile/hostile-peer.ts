import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';

/** What a peer does with a connection. It is paused: nothing of it has been read, unless the conduct reads. */
export type Conduct = (socket: Socket) => void | Promise<void>;

/** A listener without manners: what becomes of a connection is wholly up to its conduct. */
export class HostilePeer {
  readonly endpoint: string;
  /** What becomes of the next connections. */
  conduct: Conduct;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  accepted = 0;

  private constructor(endpoint: string, conduct: Conduct) {
    this.endpoint = endpoint;
    this.conduct = conduct;
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => this.#onConnection(socket));
  }

  static async listen(endpoint: string, conduct: Conduct): Promise<HostilePeer> {
    const peer = new HostilePeer(endpoint, conduct);
    peer.#server.listen({ path: endpoint, backlog: 511 });
    await once(peer.#server, 'listening');
    return peer;
  }

  get open(): number {
    return this.#sockets.size;
  }

  /** Closes everything, which also pays every reply that is still owed. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #onConnection(socket: Socket): void {
    this.accepted += 1;
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => this.#sockets.delete(socket));
    void this.conduct(socket);
  }
}

/** Sends bytes and settles when they are the kernel's, or cannot be. */
export async function say(socket: Socket, bytes: Uint8Array): Promise<void> {
  if (bytes.length === 0 || socket.destroyed) return;
  await new Promise<void>((resolve) => {
    socket.write(bytes, () => resolve());
  });
}

/** Settles when the client has sent something. It is read, so that closing afterwards is an end and no reset. */
export async function heard(socket: Socket): Promise<void> {
  socket.resume();
  if (socket.bytesRead > 0 || socket.destroyed) return;
  await Promise.race([once(socket, 'data'), once(socket, 'close'), once(socket, 'end')]).catch(() => {});
}

/**
 * Ends the connection as a reset. A Unix socket has no SO_LINGER that would do it: the kernel sends a reset when it closes with the
 * client's bytes unread. So this is for sockets of which nothing was read; it waits for the request to arrive.
 */
export async function reset(socket: Socket): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  socket.destroy();
}

/** Keeps the connection open, reads on and says nothing more. */
export function keep(socket: Socket): void {
  socket.resume();
}
