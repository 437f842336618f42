import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { systemClock } from '../../clock.js';

/**
 * Answers HTTP with the body of the request, or where it has none with method and path. It listens nowhere, and
 * Node keeps no list of its connections.
 */
export class HttpEcho {
  readonly #server: Server;
  readonly #delayMs: number;
  readonly #idle = new Set<Socket>();
  #isClosing = false;

  constructor(delayMs: number) {
    this.#delayMs = delayMs;
    this.#server = createServer((request, response) => this.#onRequest(request, response));
  }

  /** Serves a connection. */
  serve(socket: Socket): void {
    this.#idle.add(socket);
    socket.once('close', () => this.#idle.delete(socket));
    this.#server.emit('connection', socket);
  }

  /** Closes each connection behind the answer that it owes. */
  close(): void {
    this.#isClosing = true;
    for (const socket of this.#idle) socket.destroy();
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    this.#idle.delete(socket);
    response.once('finish', () => {
      if (this.#isClosing) socket.end();
      else if (!socket.destroyed) this.#idle.add(socket);
    });
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.once('end', () => {
      const body = chunks.length > 0 ? Buffer.concat(chunks) : `${request.method} ${request.url}\n`;
      systemClock.schedule(this.#delayMs, () => response.end(body));
    });
  }
}
