import type { Capacity, CapacityUser } from '../capacity.js';

/** One connect of a target, with all its attempts. */
export interface PendingConnect {
  readonly id: number;
  readonly startedMs: number;
  /** How often the target had been cleared when it began. */
  readonly generation: number;
  /** Whether it began to maintain `min`, without a caller. */
  readonly spare: boolean;
  /** It ends because no caller waits any more, which is no failure of the target. */
  dropped: boolean;
  /** Set while it waits for a place to try again; called with whether to. */
  resume: ((isWanted: boolean) => void) | undefined;
}

/**
 * The connects of one target under way, and their places under `maxTotal`. An attempt holds a place; a pause
 * does not. While no caller waits, an attempt gives its place to another target that needs one, and goes on
 * without.
 */
export class ConnectsUnderWay {
  /** How many have begun and not ended; a field, since each caller who begins to wait asks for it. */
  size = 0;
  readonly #capacity: Capacity | undefined;
  /** Those that hold a place. */
  readonly #placed = new Set<PendingConnect>();
  readonly #pausing = new Set<PendingConnect>();
  /**
   * Those without a place that need one: to try again after a pause, or for the connection that they bring.
   */
  readonly #displaced = new Set<PendingConnect>();

  constructor(capacity: Capacity | undefined) {
    this.#capacity = capacity;
  }

  /** How many hold a place. */
  get placed(): number {
    return this.#placed.size;
  }

  /** How many callers can rely on one of these without another place. */
  get expected(): number {
    return this.#placed.size + this.#pausing.size;
  }

  get displaced(): number {
    return this.#displaced.size;
  }

  /** How many hold none. */
  get unplaced(): number {
    return this.#pausing.size + this.#displaced.size;
  }

  /** A connect begins, for which a place has been taken. */
  begin(connect: PendingConnect): void {
    this.size += 1;
    this.#placed.add(connect);
  }

  /** An attempt has failed that is tried again later. */
  pause(connect: PendingConnect): void {
    this.#pausing.add(connect);
    this.#displaced.delete(connect);
    if (this.#placed.delete(connect)) this.#capacity?.giveBack();
  }

  /** A pause is over. Resolves with whether to try again, as soon as that is known. */
  awaitPlace(connect: PendingConnect): Promise<boolean> {
    this.#pausing.delete(connect);
    this.#displaced.add(connect);
    return new Promise((resolve) => (connect.resume = resolve));
  }

  /**
   * Gives the place that has just been taken to the connect that lacks one longest. Returns false where none
   * does.
   */
  place(): boolean {
    const [connect] = this.#displaced;
    if (connect === undefined) return false;
    this.#displaced.delete(connect);
    this.#placed.add(connect);
    settle(connect, true);
    return true;
  }

  /** Gives back the place of a connect, which goes on without. Returns false where none holds one. */
  yieldPlace(): boolean {
    const [connect] = this.#placed;
    if (connect === undefined) return false;
    this.#placed.delete(connect);
    this.#displaced.add(connect);
    this.#capacity?.giveBack();
    return true;
  }

  /** No caller waits: what would have to try again for one ends. */
  dropUnwanted(): void {
    for (const connect of this.#displaced) {
      // One without a place whose attempt is under way goes on.
      if (connect.resume === undefined) continue;
      this.#displaced.delete(connect);
      connect.dropped = true;
      settle(connect, false);
    }
  }

  /**
   * A connect has brought a connection, to which its place passes. One that lost its place takes another if
   * it can; else the result is false, and the connection must close at once.
   */
  keepPlace(connect: PendingConnect, user: CapacityUser): boolean {
    if (this.end(connect) || this.#capacity === undefined) return true;
    const hasPlace = user.waiting > 0 ? this.#capacity.take(user) : this.#capacity.takeSpare(user);
    if (!hasPlace) this.#capacity.overbook();
    return hasPlace;
  }

  /** A connect has ended. Returns whether it held a place, which is the caller's from here on. */
  end(connect: PendingConnect): boolean {
    this.size -= 1;
    this.#pausing.delete(connect);
    this.#displaced.delete(connect);
    return this.#placed.delete(connect);
  }
}

function settle(connect: PendingConnect, isWanted: boolean): void {
  connect.resume?.(isWanted);
  connect.resume = undefined;
}
