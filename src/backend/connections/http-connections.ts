import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Events that a server emits in place of `request` where they have listeners. */
const FURTHER_REQUESTS = ['checkContinue', 'checkExpectation'] as const;
/** Events by which a server gives a connection to its user. */
const TAKEN_OVER = ['upgrade', 'connect'] as const;

/**
 * The connections of an HTTP server that does not accept them itself. Node lists only those that it has accepted, so
 * the server's own `closeIdleConnections()` would end none of them.
 */
export class HttpConnections {
  readonly #server: Server;
  /** The answers that each connection owes. */
  readonly #owed = new Map<Socket, Set<ServerResponse>>();
  readonly #watched = new Set<string>();
  #isEnding = false;

  constructor(server: Server) {
    this.#server = server;
    server.prependListener('request', this.#onRequest);
  }

  serve(socket: Socket): void {
    if (this.#isEnding) return void socket.destroy();
    for (const name of FURTHER_REQUESTS)
      if (this.#isNew(name)) this.#server.prependListener(name, this.#onRequest);
    for (const name of TAKEN_OVER)
      if (this.#isNew(name)) this.#server.prependListener(name, this.#onTakenOver);
    this.#owed.set(socket, new Set());
    socket.once('close', () => this.#onTakenOver(undefined, socket));
    this.#server.emit('connection', socket);
  }

  /** Closes idle connections at once, and each other one behind the answers that it owes. */
  end(): void {
    this.#isEnding = true;
    for (const [socket, answers] of this.#owed) {
      if (answers.size === 0) socket.destroy();
      for (const answer of answers) announceEnd(answer);
    }
  }

  /** Whether the user listens to an event, and this class does not: a listener changes how Node handles the request. */
  #isNew(name: string): boolean {
    if (this.#watched.has(name) || this.#server.listenerCount(name) === 0) return false;
    this.#watched.add(name);
    return true;
  }

  readonly #onRequest = (incoming: IncomingMessage, answer: ServerResponse): void => {
    const { socket } = incoming;
    const answers = this.#owed.get(socket);
    // The server may listen by itself, too: those connections are not counted here.
    if (answers === undefined) return;
    answers.add(answer);
    if (this.#isEnding) announceEnd(answer);
    answer.once('close', () => {
      answers.delete(answer);
      if (this.#isEnding && answers.size === 0) socket.destroySoon();
    });
  };

  readonly #onTakenOver = (_incoming: unknown, socket: Socket): void => {
    this.#owed.delete(socket);
  };
}

/** The client must not send another request behind this answer. */
function announceEnd(answer: ServerResponse): void {
  if (!answer.headersSent) answer.setHeader('connection', 'close');
}
