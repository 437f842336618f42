import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { within } from '../../clock.js';
import type { FrameConnection } from './frame-connection.js';
import { HttpConnections } from './http-connections.js';

/** The open connections of a backend. */
export class OpenConnections {
  /** A connection that serves frames has its `FrameConnection`; the service owns the others. */
  readonly #open = new Map<Socket, FrameConnection | undefined>();
  readonly #onChange: () => void;
  readonly #http: HttpConnections | undefined;
  #onEmpty = (): void => {};
  #empty: Promise<void> | undefined;

  /** @param httpServer serves the connections that the service owns */
  constructor(onChange: () => void, httpServer?: Server) {
    this.#onChange = onChange;
    this.#http = httpServer && new HttpConnections(httpServer);
  }

  get size(): number {
    return this.#open.size;
  }

  add(socket: Socket, frames: FrameConnection | undefined): void {
    this.#open.set(socket, frames);
    // A client may hang up at any time; 'close' follows.
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#open.delete(socket);
      if (this.#open.size === 0) this.#onEmpty();
      this.#onChange();
    });
  }

  /** The service owns the connection from here on. */
  giveToService(socket: Socket): void {
    if (this.#open.has(socket)) this.#open.set(socket, undefined);
    this.#http?.serve(socket);
  }

  /** Closes every connection at once. */
  destroyAll(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }

  /**
   * Lets the requests in flight be answered, and settles when all connections have closed. Those that the service
   * owns are closed by the service, or at the limit; those of its HTTP server behind their answers. The earliest
   * limit of several calls counts.
   */
  async drain(timeoutMs: number): Promise<void> {
    if (this.#open.size === 0) return;
    const empty = (this.#empty ??= new Promise<void>((resolve) => (this.#onEmpty = resolve)));
    if (timeoutMs > 0) {
      this.#http?.end();
      for (const frames of this.#open.values()) frames?.close();
      await within(timeoutMs, empty);
    }
    this.destroyAll();
    await empty;
  }
}
