import { Socket } from 'node:net';
import type { Route } from '../../negotiation/job.js';
import { holdReading, resumeReading } from '../../os/socket-handle.js';
import type { LeasedConnection, LeaseOwner } from '../lease.js';
import { wipeToken, type Negotiation } from '../pooled-connection.js';
import { ownListeners, resetSocket, socketProblem, type SocketProblem } from '../socket-hygiene.js';
import type { ConnectionInfo } from './protocol.js';

/** What is wrong with a socket is looked for at release; an error that nobody listens for must not end the thread. */
function ignore(): void {}

const OWN_LISTENERS = ownListeners({ error: ignore });

/**
 * A connection of a shared pool in the thread that uses it: a socket of its own over a duplicate of the descriptor. Making one costs more
 * than the rest of a lease, so it stays for the next lease of the same connection. Meanwhile others have the connection, and it must not read.
 */
export class BorrowedConnection implements LeasedConnection {
  readonly id: number;
  readonly socket: Socket;
  readonly endpoint: string;
  readonly route: Route;
  readonly negotiation: Negotiation | undefined;
  readonly owner: LeaseOwner;
  touched = false;
  /** The acquire that led to the current lease, or to the last one. */
  acquireId: number;

  /** Owns the descriptor from here on, unless it throws. It is on lease, and reads. */
  constructor(id: number, acquireId: number, descriptor: number, info: ConnectionInfo, owner: LeaseOwner) {
    this.id = id;
    this.acquireId = acquireId;
    this.endpoint = info.endpoint;
    this.route = info.route;
    this.negotiation = info.negotiation;
    this.owner = owner;
    this.socket = new Socket({ fd: descriptor });
    this.socket.on('error', ignore);
  }

  /** Closes this thread's socket. */
  destroy(): void {
    this.socket.destroy();
    wipeToken(this.negotiation);
  }

  /** Begins another lease: what arrives from now on is for its caller. */
  wake(): void {
    const { socket } = this;
    // Whoever kept the socket of an earlier lease may have put listeners on it again.
    resetSocket(socket, OWN_LISTENERS);
    socket.ref();
    resumeReading(socket);
  }

  /** Ends a lease. From now on what arrives is somebody else's; what the caller did not take, or left behind, is a problem. */
  rest(): SocketProblem | undefined {
    const { socket } = this;
    holdReading(socket);
    const problem = socketProblem(socket, OWN_LISTENERS);
    if (problem !== undefined) return problem;
    if (this.touched) resetSocket(socket, OWN_LISTENERS);
    this.touched = false;
    socket.unref();
    return undefined;
  }
}
