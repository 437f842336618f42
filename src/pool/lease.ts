import type { Socket } from 'node:net';
import { inspect } from 'node:util';
import type { NegotiatedInfo } from '../client/connect.js';
import { BrokerPoolError, invalidArgument } from '../errors.js';
import type { Route } from '../negotiation/job.js';
import { printableEndpoint } from '../os/errno.js';
import type { CloseReason, Negotiation } from './pooled-connection.js';

/** What a lease is of: a connection of the pool, or in another thread the duplicate of one. */
export interface LeasedConnection {
  readonly id: number;
  readonly socket: Socket;
  readonly endpoint: string;
  readonly route: Route;
  readonly negotiation: Negotiation | undefined;
  readonly owner: LeaseOwner;
  /** The caller has had the socket in hand. */
  touched: boolean;
}

/** Whom a leased connection goes back to. */
export interface LeaseOwner {
  onRelease(connection: LeasedConnection): void;
  onDestroy(connection: LeasedConnection, reason: CloseReason): void;
}

/** Why a caller wants a connection closed. */
export type DestroyReason = 'destroyed' | 'error' | 'invalid';

const DESTROY_REASONS: ReadonlySet<string> = new Set<DestroyReason>(['destroyed', 'error', 'invalid']);

/**
 * A connection while its caller holds it. After `release` or `destroy` the lease is spent: every further use throws
 * `INVALID_ARGUMENT`, so that a mix-up shows where it happens and not in the next caller's replies.
 */
export class Lease implements AsyncDisposable {
  /** Not `#connection`: in Node 20 making a private name costs a twelfth of a whole lease. */
  private connection: LeasedConnection | undefined;

  /** Leases are made by pools only. */
  constructor(connection: LeasedConnection) {
    this.connection = connection;
  }

  /** The socket, ready for use. Do not end or destroy it to give it back; take off what you put on. */
  get socket(): Socket {
    const connection = this.#held();
    connection.touched = true;
    return connection.socket;
  }

  /** Where the backend listens. */
  get endpoint(): string {
    return this.#held().endpoint;
  }

  /** How the connection came to be. */
  get route(): Route {
    return this.#held().route;
  }

  /** What the broker said; `undefined` after a Hello-skip. */
  get negotiated(): NegotiatedInfo | undefined {
    return this.#held().negotiation?.negotiated;
  }

  /** The token of the offered handoff; `undefined` where there was none. */
  get handoffToken(): Uint8Array | undefined {
    return this.#held().negotiation?.handoffToken;
  }

  /** The connection's number, the same in every lease and event of this connection. */
  get connectionId(): number {
    return this.#held().id;
  }

  /** Whether the lease has been released or destroyed. */
  get spent(): boolean {
    return this.connection === undefined;
  }

  /** Gives the connection back. One with unread or unsent bytes is closed. */
  release(): void {
    const connection = this.#held();
    this.connection = undefined;
    connection.owner.onRelease(connection);
  }

  /**
   * Closes the connection: for one whose conversation was broken off. `reason` shows in events and stats.
   *
   * @throws {BrokerPoolError} `INVALID_ARGUMENT`
   */
  destroy(reason: DestroyReason = 'destroyed'): void {
    if (!DESTROY_REASONS.has(reason)) throw invalidArgument('reason', `must be one of ${[...DESTROY_REASONS].join(', ')}`);
    const connection = this.#held();
    this.connection = undefined;
    connection.owner.onDestroy(connection, reason);
  }

  /** Releases unless that has been done: the end of `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.spent) this.release();
  }

  /** What logs and consoles show: neither the token nor the pool behind it. */
  [inspect.custom](): string {
    return this.spent ? 'Lease (spent)' : `Lease of connection ${this.connectionId} to ${printableEndpoint(this.endpoint)}`;
  }

  #held(): LeasedConnection {
    if (this.connection === undefined) {
      throw new BrokerPoolError('INVALID_ARGUMENT', 'lease has been released or destroyed already');
    }
    return this.connection;
  }
}

/** What a lease holds, for the rest of the pool; `undefined` once it is spent. Users have no business with it. */
export function heldBy(lease: Lease): LeasedConnection | undefined {
  // Not a member: it would be one of the public class.
  return lease['connection'];
}

/** Runs `work` with a lease: released afterwards, destroyed when `work` throws, since its conversation was broken off. */
export async function useLease<T>(lease: Lease, work: (lease: Lease) => T | Promise<T>): Promise<T> {
  let result: T;
  try {
    result = await work(lease);
  } catch (error) {
    if (!lease.spent) lease.destroy('error');
    throw error;
  }
  if (!lease.spent) lease.release();
  return result;
}

// Whatever a promise is resolved with is asked for `then`. Here it finds the answer at once, which saves a tenth of a lease.
// oxlint-disable-next-line unicorn/no-thenable -- undefined is no function: a lease is not thenable
Object.defineProperty(Lease.prototype, 'then', { value: undefined });
