const OFFERED_TURN = 0;
const LAST_TURN = 1;

/** After the highest turn comes 1: 0 is "not offered". */
const MOST_TURNS = 2 ** 31 - 1;

/** A client that is so many claims of a connection ahead of the pool's asks for the next lease. */
const CLAIMS_AHEAD = 16;

/**
 * Which side has a connection that a client has given back: the client, which may claim it for its next caller
 * without asking, or the pool's thread. In memory that both see.
 *
 * Layout: two 32-bit words. The first one is the turn in which the client gave the connection back, or 0. Only
 * the client writes a turn. Both sides take the connection by compare-and-exchange of the turn that they know
 * for 0: only one of them gets it, and the pool's thread none whose release it has not read. The second word is
 * the last turn that the client may claim. Only the pool's thread writes it.
 *
 * The states of a connection that a client keeps a socket of; the turn stands for the first word:
 *
 * | state     | turn | in the pool    | reads  | next state                                               |
 * | --------- | ---- | -------------- | ------ | -------------------------------------------------------- |
 * | leased    | 0    | leased         | client | offered by `offer`; pooled by a release without an offer |
 * | offered   | n    | leased         | none   | claimable by `Claims.rest`; claimed or pooled by `take`  |
 * | claimable | n    | idle           | none   | claimed or pooled by `take`                              |
 * | claimed   | 0    | leased or idle | client | leased by `Claims.begin`                                 |
 * | pooled    | 0    | any            | pool   | leased by a message                                      |
 *
 * Of an offered connection the pool has not read the release yet, of a claimed one not the claim. It learns of a
 * claim from the log, or earlier because its own `take` fails (`Claimable.early`). It takes a claimable connection
 * when it needs or closes it, and after 10 ms. Each state may end in a close, of which the client hears by `gone`.
 */
export class ClaimWords {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;

  /** @param memory of the other side */
  constructor(memory = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
  }

  /** Client: offers a connection that nothing reads any more. Returns the turn. */
  offer(lastTurn: number): number {
    const turn = lastTurn === MOST_TURNS ? 1 : lastTurn + 1;
    Atomics.store(this.#words, OFFERED_TURN, turn);
    return turn;
  }

  /** Client: whether neither has taken the connection that was given back in this turn. */
  isOffered(turn: number): boolean {
    return turn !== 0 && Atomics.load(this.#words, OFFERED_TURN) === turn;
  }

  /** Takes the connection that was given back in this turn, unless the other side is faster. */
  take(turn: number): boolean {
    return Atomics.compareExchange(this.#words, OFFERED_TURN, turn, 0) === turn;
  }

  /** Client: whether the pool allows a claim of the connection that was given back in this turn. */
  isAllowed(turn: number): boolean {
    return ((Atomics.load(this.#words, LAST_TURN) - turn) | 0) >= 0;
  }

  /** Pool's thread: allows the claims of so many turns after this one. */
  allow(turn: number, claims: number): void {
    Atomics.store(this.#words, LAST_TURN, turn + Math.min(claims, CLAIMS_AHEAD));
  }

  /** Pool's thread: allows no claim after the turns that the client may have gone ahead of this one. */
  forbid(turn: number): void {
    Atomics.store(this.#words, LAST_TURN, turn - 2 * CLAIMS_AHEAD);
  }
}
