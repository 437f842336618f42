import { chmodSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { isPath } from './socket-directory.js';

/** A local listening socket (mode 0600) that knows its connections and can close them all. */
export class Listener {
  readonly endpoint: string;
  readonly #server: Server;
  readonly #onClose: () => void;
  readonly #sockets = new Set<Socket>();

  private constructor(
    server: Server,
    endpoint: string,
    onConnection: (socket: Socket) => void,
    onClose: () => void,
  ) {
    this.endpoint = endpoint;
    this.#server = server;
    this.#onClose = onClose;
    server.on('connection', (socket) => {
      this.adopt(socket);
      onConnection(socket);
    });
  }

  /**
   * Rejects with the system's error if the endpoint is in use: no existing socket file is removed (N-10).
   *
   * @param backlog connections that may wait to be accepted; `undefined` for Node's
   * @param onClose is called when a connection has ended
   */
  static async open(
    endpoint: string,
    backlog: number | undefined,
    onConnection: (socket: Socket) => void,
    onClose: () => void,
  ): Promise<Listener> {
    // Half-open, because a peer that ends its side still gets its answer (V-31).
    const server = createServer({ allowHalfOpen: true });
    const listener = new Listener(server, endpoint, onConnection, onClose);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ path: endpoint, ...(backlog === undefined ? {} : { backlog }) }, () => {
        server.off('error', reject);
        resolve();
      });
    });
    try {
      if (isPath(endpoint)) chmodSync(endpoint, 0o600);
    } catch (error) {
      // The file has been removed meanwhile. A server without one would keep the process alive.
      await listener.close();
      throw error;
    }
    return listener;
  }

  /** Adds a connection that was not accepted here. */
  adopt(socket: Socket): void {
    this.#sockets.add(socket);
    // A peer may hang up at any time; 'close' follows.
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#onClose();
    });
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  /** Closes every connection at once. */
  dropAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Closes the endpoint, which removes its file, and all connections. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.dropAll();
    await closed;
  }
}
