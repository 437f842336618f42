import type { Socket } from 'node:net';
import { inspect } from 'node:util';
import { BrokerPoolError, invalidArgument } from '../errors.js';
import type { NegotiatedInfo, Route } from '../negotiation/job.js';
import { printableEndpoint } from '../os/errno.js';
import { PooledSocket } from '../os/pooled-socket.js';
import type { CloseReason } from './close-reason.js';
import type { Target } from '../target.js';

/**
 * The broker's answer for a negotiated connection. The token is a private member: a console that prints a
 * lease does not show it.
 */
export class BrokerAnswer {
  readonly negotiated: NegotiatedInfo;
  readonly #handoffToken: Uint8Array | undefined;

  constructor(negotiated: NegotiatedInfo, handoffToken: Uint8Array | undefined) {
    this.negotiated = negotiated;
    this.#handoffToken = handoffToken;
  }

  /** Overwritten when the connection closes. Not an accessor, which a console may evaluate. */
  handoffToken(): Uint8Array | undefined {
    return this.#handoffToken;
  }

  /** Nothing needs the token any more. */
  wipeToken(): void {
    this.#handoffToken?.fill(0);
  }
}

/** A connection that can be leased: the pool's, or in another thread a duplicate of one. */
export interface LeasedConnection {
  readonly id: number;
  readonly socket: PooledSocket;
  readonly endpoint: string;
  readonly route: Route;
  readonly answer: BrokerAnswer | undefined;
  readonly owner: LeaseOwner;
}

/** The pool of a connection, or in another thread the client of one, which knows nothing of the optional members. */
export interface LeaseOwner {
  readonly target?: Target;
  /** Whether the holder of a leased connection may use it once more. */
  isSpare?(connection: LeasedConnection): boolean;
  /** Callers that wait for connections that other callers hold. */
  readonly unserved?: number;
  /** Why the pool has closed its connections, once it has ended. */
  readonly endedBy?: BrokerPoolError | undefined;
  /** A detached connection is at rest. */
  onRest?(): void;
  /** Takes a leased connection back. */
  onRelease(connection: LeasedConnection): void;
  /** Gives a leased connection to its holder for good. */
  onDetach(connection: LeasedConnection): void;
  /** Closes a connection, whether or not it is leased. */
  onDestroy(connection: LeasedConnection, reason: CloseReason): void;
}

/** A lease in JSON. */
export type LeaseDescription =
  | { readonly state: 'spent' }
  | {
      readonly state: 'leased';
      readonly connectionId: number;
      readonly endpoint: string;
      readonly route: Route;
      /** Absent in another thread than the pool's. */
      readonly target?: Target;
    };

/** Why a caller wants a connection closed. */
export type DestroyReason = 'destroyed' | 'error' | 'invalid';

const DESTROY_REASONS: ReadonlySet<string> = new Set<DestroyReason>(['destroyed', 'error', 'invalid']);

/**
 * A connection while its caller holds it. After `release`, `destroy` or `detach` the lease is spent: every further use
 * throws `INVALID_ARGUMENT`, so that a mix-up shows where it happens and not in the next caller's replies.
 *
 * Leases are made by pools. A test may make one of its own: an object with these members is a lease.
 */
export interface Lease extends AsyncDisposable {
  /**
   * The socket, ready for use, and of no use after the lease. Do not end or destroy it to give it back. Its
   * callbacks run in the asynchronous context in which the lease was first asked for it.
   */
  readonly socket: Socket;
  /** Where the backend listens. */
  readonly endpoint: string;
  /** How the connection was opened. */
  readonly route: Route;
  /** The broker's answer; `undefined` after a Hello-skip. */
  readonly negotiated?: NegotiatedInfo | undefined;
  /**
   * The token of the offered handoff; `undefined` where there was none. It is overwritten when the connection
   * closes: copy it to keep it longer.
   */
  readonly handoffToken?: Uint8Array | undefined;
  /** The connection's number, the same in every lease and event of this connection. */
  readonly connectionId: number;
  /** Whether the lease has been released, destroyed or detached. */
  readonly spent: boolean;
  /**
   * Gives the connection back. One with unread bytes, or with unsent ones that do not leave within 100 ms, is
   * closed.
   */
  release(): void;
  /**
   * Closes the connection: for one whose conversation was broken off. `reason` shows in events and stats.
   * `invalid` also says that the wrong program answered: the endpoint is forgotten, and the broker asked
   * again.
   *
   * @throws {BrokerPoolError} `INVALID_ARGUMENT`
   */
  destroy(reason?: DestroyReason): void;
  /**
   * Spends the lease and returns its socket, which is the caller's for good: it does not come back to the pool,
   * and an error of it without a listener is uncaught, as of any `net.Socket`. The connection counts against
   * `max` and `maxTotal` until the socket closes. A socket that its holder has unreferenced (`socket.unref()`,
   * as `http.Agent` and undici do with a socket between two requests) is at rest: the pool closes it then when
   * the pool closes, the connection's lifetime is over, or a caller waits for its place. One in use is closed
   * when it comes to rest, and by the pool's `close` at the latest after its `timeoutMs`.
   *
   * @throws {BrokerPoolError} `INVALID_ARGUMENT` once the lease is spent
   */
  detach(): Socket;
  /** Releases unless that has been done: the end of `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
  /** The object that logs show, without the token and the pool. */
  toJSON?(): LeaseDescription;
}

/** A lease of a pool. */
class PoolLease implements Lease {
  // Not `#connection`: in Node 20 making a private name costs a twelfth of a whole lease. `leaseOf` sets it: an
  // initializer is a function of its own, which V8 does not always inline.
  declare connection: LeasedConnection | undefined;

  get socket(): Socket {
    const { socket } = this.connection ?? this.#held();
    PooledSocket.enterContext(socket);
    return socket;
  }

  get endpoint(): string {
    return this.#held().endpoint;
  }

  get route(): Route {
    return this.#held().route;
  }

  get negotiated(): NegotiatedInfo | undefined {
    return this.#held().answer?.negotiated;
  }

  get handoffToken(): Uint8Array | undefined {
    return this.#held().answer?.handoffToken();
  }

  get connectionId(): number {
    return this.#held().id;
  }

  get spent(): boolean {
    return this.connection === undefined;
  }

  release(): void {
    const connection = this.connection ?? this.#held();
    this.connection = undefined;
    connection.owner.onRelease(connection);
  }

  destroy(reason: DestroyReason = 'destroyed'): void {
    if (!DESTROY_REASONS.has(reason))
      throw invalidArgument('reason', `must be one of ${[...DESTROY_REASONS].join(', ')}`);
    const connection = this.#held();
    this.connection = undefined;
    connection.owner.onDestroy(connection, reason);
  }

  detach(): Socket {
    const { socket } = this;
    const connection = this.#held();
    this.connection = undefined;
    connection.owner.onDetach(connection);
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.spent) this.release();
  }

  /** The text that consoles show, without the token and the pool. */
  [inspect.custom](): string {
    if (this.connection === undefined) return 'Lease (spent)';
    const { id, endpoint, route, owner } = this.connection;
    const service =
      owner.target === undefined ? '' : `${owner.target.serviceName} ${owner.target.wantedVersion}, `;
    return `Lease of connection ${id} to ${printableEndpoint(endpoint)} (${service}${route})`;
  }

  toJSON(): LeaseDescription {
    if (this.connection === undefined) return { state: 'spent' };
    const { id: connectionId, endpoint, route, owner } = this.connection;
    return { state: 'leased', connectionId, endpoint, route, ...(owner.target && { target: owner.target }) };
  }

  #held(): LeasedConnection {
    if (this.connection === undefined) {
      const problem = 'lease has been released, destroyed or detached already; acquire another one';
      throw new BrokerPoolError('INVALID_ARGUMENT', problem);
    }
    return this.connection;
  }
}

/** The class of a pool's leases, for callers that use its prototype. */
export const Lease: { readonly prototype: Lease } = PoolLease;

/**
 * A pool's lease of a connection.
 *
 * The connection comes after the constructor: V8 then knows, where the lease goes into a promise, what object
 * it is and that it has no `then`, and does not look for one. That saves a tenth of a lease.
 */
export function leaseOf(connection: LeasedConnection): Lease {
  const lease = new PoolLease();
  lease.connection = connection;
  return lease;
}

/** The connection of a lease; `undefined` once the lease is spent. For the pool's own code. */
export function heldBy(lease: Lease): LeasedConnection | undefined {
  return lease instanceof PoolLease ? lease.connection : undefined;
}

/** Where a backend listens. */
export interface ResolvedBackend {
  readonly endpoint: string;
  /** The broker's answer; absent where it was not asked, because the endpoint was known. */
  readonly negotiated?: NegotiatedInfo | undefined;
}

/** Reads where the backend of a lease listens, and releases the lease. */
export function resolveBy(lease: Lease): ResolvedBackend {
  const { endpoint, negotiated } = lease;
  lease.release();
  return { endpoint, ...(negotiated && { negotiated }) };
}
