import type { Socket } from 'node:net';
import type { NegotiatedInfo } from '../client/connect.js';
import { BrokerPoolError } from '../errors.js';
import type { Route } from '../negotiation/job.js';
import type { CloseReason, PooledConnection } from './pooled-connection.js';

/** Whom a lease gives its connection back to. */
export interface LeaseOwner {
  onRelease(connection: PooledConnection): void;
  onDestroy(connection: PooledConnection, reason: CloseReason): void;
}

/**
 * A connection while its caller holds it. After `release` or `destroy` the lease is spent: every further use throws
 * `INVALID_ARGUMENT`, so that a mix-up shows where it happens and not in the next caller's replies.
 */
export class Lease implements AsyncDisposable {
  #connection: PooledConnection | undefined;
  readonly #owner: LeaseOwner;

  constructor(connection: PooledConnection, owner: LeaseOwner) {
    this.#connection = connection;
    this.#owner = owner;
  }

  /** The socket, ready for use. Do not end or destroy it to give it back; take off what you put on. */
  get socket(): Socket {
    return this.#held().socket;
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
    return this.#held().negotiated;
  }

  /** The token of the offered handoff; `undefined` where there was none. */
  get handoffToken(): Uint8Array | undefined {
    return this.#held().handoffToken;
  }

  /** Whether the lease has been released or destroyed. */
  get spent(): boolean {
    return this.#connection === undefined;
  }

  /** Gives the connection back. One with unread or unsent bytes is closed. */
  release(): void {
    const connection = this.#held();
    this.#connection = undefined;
    this.#owner.onRelease(connection);
  }

  /** Closes the connection: for one whose conversation was broken off. `reason` shows in events and stats. */
  destroy(reason: 'destroyed' | 'error' | 'invalid' = 'destroyed'): void {
    const connection = this.#held();
    this.#connection = undefined;
    this.#owner.onDestroy(connection, reason);
  }

  /** Releases unless that has been done: the end of `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.spent) this.release();
  }

  #held(): PooledConnection {
    if (this.#connection === undefined) {
      throw new BrokerPoolError('INVALID_ARGUMENT', 'lease has been released or destroyed already');
    }
    return this.#connection;
  }
}
