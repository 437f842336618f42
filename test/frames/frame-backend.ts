import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { FrameReader } from '../../src/frames/codec/frame-reader.js';
import type { FrameView } from '../../src/frames/codec/frame-view.js';
import { FrameWriter, type OutgoingFrame } from '../../src/frames/codec/frame-writer.js';

/** The payload protocol of these tests. */
export const PROTOCOL = 0x7a63;

/** One accepted connection of a {@link FrameBackend}. */
export class BackendConnection {
  readonly socket: Socket;
  /** Requests that have arrived, in their order. */
  readonly requests: FrameView[] = [];
  readonly #reader = new FrameReader();

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** Answers a request as a backend should, or with other fields. */
  answer({ requestId, payloadProtocol }: FrameView, payload: Uint8Array, fields: OutgoingFrame = {}): void {
    this.send({ envelopeVersion: 1, kind: 1, payloadProtocol, payload, requestId, ...fields });
  }

  /** Sends a frame of any kind. */
  send(frame: OutgoingFrame): void {
    const writer = new FrameWriter();
    writer.add(frame);
    this.socket.write(Buffer.concat(writer.take()));
  }

  /** @internal */
  read(piece: Uint8Array, onRequest: (request: FrameView) => void): void {
    this.#reader.push(piece);
    for (let frame = this.#reader.read(); frame !== undefined; frame = this.#reader.read()) {
      this.requests.push(frame);
      onRequest(frame);
    }
  }
}

export type OnRequest = (request: FrameView, connection: BackendConnection) => void;

/** Answers with the same payload. */
export const echo: OnRequest = (request, connection) => connection.answer(request, request.payload);

/** A backend in this process that speaks frames, on a real socket. It does as a test says, good or bad. */
export class FrameBackend implements AsyncDisposable {
  readonly endpoint: string;
  /** All connections so far. */
  readonly connections: BackendConnection[] = [];
  onRequest: OnRequest;
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  #waiters: { isMet: () => boolean; resolve: () => void }[] = [];

  private constructor(server: Server, endpoint: string, onRequest: OnRequest) {
    this.#server = server;
    this.endpoint = endpoint;
    this.onRequest = onRequest;
  }

  static async start(endpoint: string, onRequest: OnRequest = echo): Promise<FrameBackend> {
    const server = createServer({ allowHalfOpen: true });
    const backend = new FrameBackend(server, endpoint, onRequest);
    server.on('connection', (socket) => backend.#accept(socket));
    server.listen(endpoint);
    await once(server, 'listening');
    return backend;
  }

  /** Connections that are open now. */
  get openConnections(): number {
    return this.#open.size;
  }

  /** All requests that have arrived. */
  get requests(): FrameView[] {
    return this.connections.flatMap(({ requests }) => requests);
  }

  /** Settles once the condition holds; it is looked at after each connection, request and end. */
  until(isMet: () => boolean): Promise<void> {
    if (isMet()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ isMet, resolve }));
  }

  /** Ends all connections at once, as a backend that dies. */
  dropAll(): void {
    for (const socket of this.#open) socket.destroy();
  }

  async stop(): Promise<void> {
    this.dropAll();
    this.#server.close();
    await once(this.#server, 'close');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #accept(socket: Socket): void {
    const connection = new BackendConnection(socket);
    this.connections.push(connection);
    this.#open.add(socket);
    socket
      .on('data', (piece) => {
        connection.read(piece, (request) => this.onRequest(request, connection));
        this.#notify();
      })
      .on('error', () => {})
      .on('end', () => socket.end())
      .on('close', () => {
        this.#open.delete(socket);
        this.#notify();
      });
    this.#notify();
  }

  #notify(): void {
    const met = this.#waiters.filter(({ isMet }) => isMet());
    this.#waiters = this.#waiters.filter((waiter) => !met.includes(waiter));
    for (const { resolve } of met) resolve();
  }
}
