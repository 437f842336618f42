import { Socket } from 'node:net';
import { inspect } from 'node:util';
import type { NegotiatedInfo } from '../client/connect.js';
import type { Timed } from '../deadline-queue.js';
import type { Route } from '../negotiation/job.js';
import { printableEndpoint } from '../os/errno.js';
import type { BagEntry, EntryState } from './bag.js';
import type { Established } from './connecting/connector.js';
import { ownListeners, resetSocket, socketProblem } from './socket-hygiene.js';

/** Why a connection was closed; the list is closed. `evicted`: another target needed its place (`maxTotal`). */
export type CloseReason =
  | 'idle'
  | 'lifetime'
  | 'uses'
  | 'dirty'
  | 'error'
  | 'invalid'
  | 'stale'
  | 'leaked'
  | 'evicted'
  | 'destroyed'
  | 'poolClosed';

/** Whom a connection belongs to. */
export interface ConnectionOwner {
  onRelease(connection: PooledConnection): void;
  onDestroy(connection: PooledConnection, reason: CloseReason): void;
  /** The one way out for a connection, whatever the reason. */
  close(connection: PooledConnection, reason: CloseReason): void;
}

/** What the broker said of a connection that was negotiated. */
export interface Negotiation {
  readonly negotiated: NegotiatedInfo;
  /** Overwritten when the connection closes. */
  readonly handoffToken: Uint8Array | undefined;
}

/** Nobody needs the token any more. */
export function wipeToken(negotiation: Negotiation | undefined): void {
  negotiation?.handoffToken?.fill(0);
}

/**
 * One connection in the pool: an entry of the bag, and the listeners that stay on its socket for life.
 *
 * An idle connection is little else than its memory, so there are few fields, and times are whole milliseconds: V8 keeps fractions,
 * and `Infinity`, in an object of their own each.
 */
export class PooledConnection implements BagEntry<PooledConnection>, Timed {
  readonly id: number;
  readonly socket: Socket;
  readonly endpoint: string;
  readonly route: Route;
  /** `undefined` after a Hello-skip. */
  readonly negotiation: Negotiation | undefined;
  readonly owner: ConnectionOwner;
  readonly bornMs: number;
  /** When its lifetime is over, on the monotonic clock; `Infinity` if never. */
  readonly expiresAtMs: number;
  state: EntryState = 'new';
  newer: PooledConnection | undefined = undefined;
  older: PooledConnection | undefined = undefined;
  place = -1;
  /** When the reaper looks next. */
  dueMs = 0;
  queueIndex = -1;
  /** How often it has been leased. */
  uses = 0;
  /** Since when it rests; -1 while it is leased, and until the turn in which it became idle has ended. */
  idleSinceMs = -1;
  /** Why it closes as soon as it comes back. */
  retired: CloseReason | undefined = undefined;
  /** The caller has had the socket in hand, or the backend spoke: it needs a look before the next caller gets it. */
  touched = false;
  /** Another thread has heard of the backend, which this thread's socket cannot know. */
  heardElsewhere = false;

  /**
   * @param bornMs in whole milliseconds
   * @param expiresAtMs in whole milliseconds, or `Infinity`
   */
  constructor(id: number, { socket, endpoint, route, negotiated, handoffToken }: Established, owner: ConnectionOwner, bornMs: number, expiresAtMs: number) {
    this.id = id;
    this.socket = socket;
    this.endpoint = endpoint;
    this.route = route;
    this.negotiation = negotiated && { negotiated, handoffToken };
    this.owner = owner;
    this.bornMs = bornMs;
    this.expiresAtMs = expiresAtMs;
    watch(socket, this);
  }

  /** Counts a lease. The socket keeps the process alive from now on. */
  use(maxUses: number): void {
    this.uses += 1;
    if (this.uses >= maxUses) this.retired ??= 'uses';
    if (this.idleSinceMs < 0) return;
    this.idleSinceMs = -1;
    this.socket.ref();
  }

  /** Makes it ready for another caller, or says why that cannot be. */
  recycle(): CloseReason | undefined {
    if (this.retired !== undefined) return this.retired;
    if (!this.touched) return undefined;
    const problem = socketProblem(this.socket, OWN_LISTENERS);
    if (problem !== undefined) return problem;
    resetSocket(this.socket, OWN_LISTENERS);
    // A caller may have unreferenced it. One that rests has had none, but a keepalive.
    if (!this.resting) this.socket.ref();
    this.touched = false;
    return undefined;
  }

  /** The turn in which it became idle has ended: it counts as idle since then, and is no reason for a finished program to go on. */
  rest(nowMs: number): void {
    // Rounded up it would lie in the future.
    this.idleSinceMs = Math.floor(nowMs);
    this.socket.unref();
  }

  /** Closes the socket, whether or not it is dead already. */
  destroy(): void {
    this.socket.destroy();
    wipeToken(this.negotiation);
  }

  /** What whoever prints the socket sees of it: not the token. */
  [inspect.custom](): string {
    return `PooledConnection ${this.id} to ${printableEndpoint(this.endpoint)} (${this.route}, ${this.state})`;
  }

  /** Whether the backend has ever said a word. */
  get heard(): boolean {
    return this.heardElsewhere || this.socket.bytesRead > 0;
  }

  /** Whether {@link PooledConnection.rest} has been called since its last lease. */
  get resting(): boolean {
    return this.idleSinceMs >= 0;
  }

  /** Bytes arrived. */
  onBytes(): void {
    // Before the first lease they are a backend's greeting, and the first caller's due.
    if (this.uses === 0) return;
    this.touched = true;
    if (this.state === 'idle') this.owner.close(this, 'dirty');
  }

  /** The socket has failed, ended or closed. */
  onDeath(reason: CloseReason): void {
    if (this.state === 'idle' || this.state === 'reserved') this.owner.close(this, reason);
    else this.retired ??= reason;
  }
}

const POOLED = Symbol('pooled connection');

/** A socket that knows its connection. */
type PooledSocket = Socket & { [POOLED]?: PooledConnection };

/**
 * Watches a socket for life: an 'error' event on a pooled socket never ends the process. The listeners are the same functions for all
 * sockets.
 */
function watch(socket: PooledSocket, connection: PooledConnection): void {
  socket[POOLED] = connection;
  socket.on('error', onError);
  socket.on('close', onClose);
  // A listener for 'data' would have to be put on and taken off with every lease, which costs more than the rest of the lease.
  socket.push = push;
}

function onError(this: PooledSocket): void {
  this[POOLED]?.onDeath('error');
}

function onClose(this: PooledSocket): void {
  this[POOLED]?.onDeath('stale');
}

const OWN_LISTENERS = ownListeners({ error: onError, close: onClose });

/** What the socket's handle calls with what it has read; `null` is the end of the stream. */
function push(this: PooledSocket, chunk: unknown, encoding?: BufferEncoding): boolean {
  const connection = this[POOLED];
  if (chunk === null) connection?.onDeath('stale');
  else connection?.onBytes();
  return Socket.prototype.push.call(this, chunk, encoding);
}
