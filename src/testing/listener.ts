import { chmodSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';

/** Options of {@link Listener.open}. */
export interface ListenerOptions {
  readonly endpoint: string;
  /** Accept without reading a byte: what comes first must be read by other means than Node's (H-05). */
  readonly paused?: boolean;
  readonly onConnection: (socket: Socket) => void;
  /** A connection has ended, for whatever reason. */
  readonly onClose?: (socket: Socket) => void;
}

/** A local listening socket (mode 0600) that knows its connections and can close them all. */
export class Listener {
  readonly endpoint: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(endpoint: string, server: Server) {
    this.endpoint = endpoint;
    this.#server = server;
  }

  /** Rejects with the system's error if the endpoint is in use: nobody's socket file is ever removed (N-10). */
  static async open({ endpoint, paused = false, onConnection, onClose }: ListenerOptions): Promise<Listener> {
    // Half-open, because a peer that ends its side still gets its answer (V-31).
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: paused });
    const listener = new Listener(endpoint, server);
    server.on('connection', (socket) => {
      listener.adopt(socket, onClose);
      onConnection(socket);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(endpoint, () => {
        server.off('error', reject);
        resolve();
      });
    });
    if (process.platform !== 'win32' && !endpoint.startsWith('\0')) chmodSync(endpoint, 0o600);
    return listener;
  }

  /** Counts a connection that came another way among its own. */
  adopt(socket: Socket, onClose?: (socket: Socket) => void): void {
    this.#sockets.add(socket);
    // Peers hang up whenever they like; what follows from it is seen in 'close'.
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#sockets.delete(socket);
      onClose?.(socket);
    });
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  /** Closes every connection, without a word to the peers. */
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
