import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { PooledSocket } from '../os/pooled-socket.js';
import { enterContext } from '../os/socket-handle.js';
import { heldBy, type Lease } from '../pool/lease.js';
import { noteKeepAlive } from './keep-alive-hints.js';

/** Requests before a busy agent gives the connection back, for the pool's checks and counts. */
const MOST_IN_A_ROW = 32;

/** The socket of a lease while requests of one agent use it. Events of the socket tell how Node uses it. */
export class LeasedSocket {
  readonly socket: Socket;
  readonly #lease: Lease;
  readonly #inUse: Set<LeasedSocket>;
  readonly #onReusable: (leased: LeasedSocket) => void;
  #request: ClientRequest | undefined;
  /** Requests so far. */
  #served = 0;

  /**
   * @param inUse has this socket until the lease ends
   * @param onReusable is called when an answer has been read, and the connection may be used again
   */
  constructor(lease: Lease, inUse: Set<LeasedSocket>, onReusable: (leased: LeasedSocket) => void) {
    this.#lease = lease;
    this.#inUse = inUse.add(this);
    this.#onReusable = onReusable;
    this.socket = lease.socket;
    const destroy = this.socket.destroy.bind(this.socket);
    // Not assigned at once: V8 makes a function in the old generation where it is written as a property's new value.
    const watched: Socket['destroy'] = (error) => {
      if (this.#isOver) PooledSocket.abandon(this.socket);
      return destroy(error);
    };
    this.socket.destroy = watched;
    this.socket.on('free', this.#onFree).on('close', this.#onClose).on('agentRemove', this.#onRemove);
  }

  /** @param timeoutMs the request's own `timeout` */
  serve(request: ClientRequest, timeoutMs: number | undefined): void {
    const { socket } = this;
    this.#request = request;
    // The lease has entered the context of the first request.
    if (this.#served > 0) enterContext(socket);
    // Callers may repeat a request over a connection that ended while it was idle.
    request.reusedSocket = this.#served > 0 || socket.bytesRead > 0;
    this.#served += 1;
    if (timeoutMs !== undefined) socket.setTimeout(timeoutMs);
    request.onSocket(socket);
  }

  /** Whether the pool has no use for the connection, and another request may have it at once. */
  get isSpare(): boolean {
    if (this.#served >= MOST_IN_A_ROW) return false;
    const connection = heldBy(this.#lease);
    return connection?.owner.isSpare?.(connection) === true;
  }

  release(): void {
    this.#end();
    this.#lease.release();
  }

  /**
   * Whether the request ends its connection itself: its caller has destroyed it, or its whole answer has come and
   * nothing may follow. While the backend has never said a word, the end counts as the backend's.
   */
  get #isOver(): boolean {
    const isOver = this.#request?.destroyed === true || answerTo(this.#request)?.complete === true;
    return isOver && this.socket.bytesRead > 0;
  }

  readonly #onFree = (): void => {
    const isUsable = noteKeepAlive(this.#lease, answerTo(this.#request)?.headers['keep-alive']);
    this.#request = undefined;
    if (!isUsable) {
      this.#end();
      return this.#lease.destroy();
    }
    // An answer may have set one that Node does not take back.
    if (this.socket.timeout) this.socket.setTimeout(0);
    this.#onReusable(this);
  };

  readonly #onClose = (): void => {
    this.#end();
    if (!this.#lease.spent) this.#lease.destroy();
  };

  /** The request gives the socket to its caller: it has been upgraded, or is the tunnel of a CONNECT. */
  readonly #onRemove = (): void => {
    this.#end();
    Reflect.deleteProperty(this.socket, 'destroy');
    this.#lease.detach();
  };

  #end(): void {
    this.socket.off('free', this.#onFree).off('close', this.#onClose).off('agentRemove', this.#onRemove);
    this.#inUse.delete(this);
  }
}

/** The answer to a request, as far as it has come; Node's types do not have it. */
function answerTo(request: ClientRequest | undefined): IncomingMessage | undefined {
  const response: IncomingMessage | null | undefined = request && Reflect.get(request, 'res');
  return response ?? undefined;
}
