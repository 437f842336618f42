import { Socket } from 'node:net';
import type { NegotiatedInfo } from '../client/connect.js';
import type { Timed } from '../deadline-queue.js';
import type { Route } from '../negotiation/job.js';
import type { BagEntry, EntryState } from './bag.js';
import type { Established } from './connector.js';

/** Why a connection was closed; the list is closed. */
export type CloseReason =
  | 'idle'
  | 'lifetime'
  | 'uses'
  | 'dirty'
  | 'error'
  | 'invalid'
  | 'stale'
  | 'leaked'
  | 'destroyed'
  | 'poolClosed';

/** Told when a connection dies while nobody holds it. */
export interface ConnectionOwner {
  onIdleDeath(connection: PooledConnection, reason: CloseReason): void;
}

let lastId = 0;

/** One connection in the pool: an entry of the bag, and the listeners that stay on its socket for life. */
export class PooledConnection implements BagEntry<PooledConnection>, Timed {
  /** Unique in this process. */
  readonly id = ++lastId;
  readonly socket: Socket;
  readonly endpoint: string;
  readonly route: Route;
  readonly negotiated: NegotiatedInfo | undefined;
  readonly handoffToken: Uint8Array | undefined;
  readonly bornMs: number;
  /** The target's generation when the connect began: `clear` makes older ones stale. */
  readonly generation: number;
  readonly owner: ConnectionOwner;
  state: EntryState = 'new';
  newer: PooledConnection | undefined;
  older: PooledConnection | undefined;
  dueMs = Infinity;
  queueIndex = -1;
  uses = 0;
  idleSinceMs = 0;
  #referenced = true;

  constructor(established: Established, owner: ConnectionOwner, nowMs: number, generation: number) {
    this.socket = established.socket;
    this.endpoint = established.endpoint;
    this.route = established.route;
    this.negotiated = established.negotiated;
    this.handoffToken = established.handoffToken;
    this.owner = owner;
    this.bornMs = nowMs;
    this.generation = generation;
    this.#watch();
  }

  /**
   * Why the connection cannot be leased again, if so. Unread or unsent bytes belong to the last lease: handing them to the next
   * one would mix up two conversations. Before the first lease they are a backend's greeting, and its due.
   */
  unusableBecause(): CloseReason | undefined {
    const { socket } = this;
    if (socket.destroyed || !socket.readable || !socket.writable) return socket.errored ? 'error' : 'stale';
    if (this.uses === 0) return undefined;
    return socket.readableLength > 0 || socket.writableLength > 0 ? 'dirty' : undefined;
  }

  /** Takes off what the last lease may have left on the socket: a reader that stayed would steal the next one's bytes. */
  reset(): void {
    const { socket } = this;
    if (socket.listenerCount('data') > 0) socket.removeAllListeners('data');
    if (socket.listenerCount('readable') > 0) socket.removeAllListeners('readable');
    if (socket.isPaused()) socket.resume();
    if (socket.timeout) socket.setTimeout(0);
  }

  /** Whether the socket keeps the process alive: while leased, and until {@link PooledConnection.rest}. */
  get referenced(): boolean {
    return this.#referenced;
  }

  /** An idle connection is no reason for a finished program to go on. */
  rest(): void {
    this.#referenced = false;
    this.socket.unref();
  }

  /** Undoes {@link PooledConnection.rest}. */
  wake(): void {
    if (this.#referenced) return;
    this.#referenced = true;
    this.socket.ref();
  }

  /** The listeners stay while the connection is leased: an 'error' event on a pooled socket never ends the process. */
  #watch(): void {
    const { socket } = this;
    socket.on('error', () => this.#onDeath('error'));
    socket.on('end', () => this.#onDeath('stale'));
    socket.on('close', () => this.#onDeath('stale'));
    // A listener for 'data' would have to be put on and taken off with every lease, which costs more than the rest of the lease.
    socket.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
      if (this.state === 'idle' && this.uses > 0 && chunk !== null) this.owner.onIdleDeath(this, 'dirty');
      return Socket.prototype.push.call(socket, chunk, encoding);
    };
  }

  #onDeath(reason: CloseReason): void {
    if (this.state === 'idle') this.owner.onIdleDeath(this, reason);
  }
}
