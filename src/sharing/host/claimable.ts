import type { Claims } from '../../pool/claims.js';
import type { Lease } from '../../pool/lease.js';
import type { PooledConnection } from '../../pool/pooled-connection.js';
import { ClaimWords } from '../claim-words.js';
import type { ClaimMemory } from '../protocol.js';

/** The claims of one connection by one client, as the pool's thread knows them. */
export class Claimable {
  readonly #claims: Claims;
  readonly #words = new ClaimWords();
  /** The number of the last release by the client. */
  #turn = 0;
  /** A lease by a claim that is known before its message has come. */
  early: Lease | undefined;

  constructor(claims: Claims) {
    this.#claims = claims;
  }

  /** For the client. */
  get memory(): ClaimMemory {
    return { words: this.#words.memory, refusals: this.#claims.refusals };
  }

  /**
   * Ends a lease whose connection the client may claim in this turn. False where the pool allows no claim, and
   * the lease must end in another way.
   */
  rest(connection: PooledConnection, turn: number): boolean {
    this.#turn = turn;
    return this.#claims.rest(connection);
  }

  /** Takes the connection. False if the client was faster: the connection is leased to it now. */
  take(connection: PooledConnection): boolean {
    if (this.#words.take(this.#turn)) return true;
    this.early = this.#claims.begin(connection);
    return false;
  }

  /** The lease of a claim whose message has come; `undefined` where the connection has closed. */
  begin(connection: PooledConnection): Lease | undefined {
    const lease = this.early ?? this.#claims.begin(connection);
    this.early = undefined;
    return lease;
  }

  /** During a lease: lets the client claim as often as the pool allows now. */
  allow(connection: PooledConnection): void {
    this.#words.allow(this.#turn, this.#claims.left(connection));
  }

  forbid(): void {
    this.#words.forbid(this.#turn);
  }

  /** The connection is closed: the client must not lease it. */
  close(): void {
    this.#words.take(this.#turn);
  }
}
