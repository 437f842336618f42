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
  /** Whether it held a slot when it ended. */
  hadSlot: boolean;
  /** Set while it waits for a slot to try again; called with whether to. */
  resume: ((isWanted: boolean) => void) | undefined;
}

/**
 * The connects of one target under way, and their slots of `maxTotal`. An attempt holds a slot; a pause does
 * not. While no caller waits, an attempt yields its slot to another target that needs one, and goes on
 * without.
 */
export class ConnectsUnderWay {
  /** How many have begun and not ended; a field, since each caller that begins to wait reads it. */
  size = 0;
  readonly #capacity: Capacity | undefined;
  // The sets are changed here only.
  readonly holding = new Set<PendingConnect>();
  readonly pausing = new Set<PendingConnect>();
  /** Connects without a slot that need one, to try again or for the connection that they bring. */
  readonly lacking = new Set<PendingConnect>();

  constructor(capacity: Capacity | undefined) {
    this.#capacity = capacity;
  }

  /** How many callers can rely on one of these without another slot. */
  get expected(): number {
    return this.holding.size + this.pausing.size;
  }

  /** A connect begins, for which a slot has been taken. */
  begin(connect: PendingConnect): void {
    this.size += 1;
    this.holding.add(connect);
  }

  /** An attempt has failed that is tried again later. */
  pause(connect: PendingConnect): void {
    this.pausing.add(connect);
    this.lacking.delete(connect);
    if (this.holding.delete(connect)) this.#capacity?.release();
  }

  /** A pause is over. Resolves with whether to try again, as soon as that is known. */
  awaitSlot(connect: PendingConnect): Promise<boolean> {
    this.pausing.delete(connect);
    this.lacking.add(connect);
    return new Promise((resolve) => (connect.resume = resolve));
  }

  /** Grants a slot that has been taken to the connect that lacks one longest. */
  grantSlot(): void {
    const [connect] = this.lacking;
    if (connect === undefined) throw new Error('no connect lacks a slot');
    this.lacking.delete(connect);
    this.holding.add(connect);
    settle(connect, true);
  }

  /** Gives back the slot of a connect, which goes on without. Returns false where none holds one. */
  yieldSlot(): boolean {
    const [connect] = this.holding;
    if (connect === undefined) return false;
    this.holding.delete(connect);
    this.lacking.add(connect);
    this.#capacity?.release();
    return true;
  }

  /** No caller waits: connects that wait to try again end. */
  dropUnwanted(): void {
    for (const connect of this.lacking) {
      // A connect that lost its slot in mid-attempt goes on.
      if (connect.resume === undefined) continue;
      this.lacking.delete(connect);
      connect.dropped = true;
      settle(connect, false);
    }
  }

  /**
   * A connect has brought a connection, to which its slot passes. One that lost its slot takes another if it
   * can; else the result is false, and the connection must close at once.
   */
  keepSlot(connect: PendingConnect, user: CapacityUser): boolean {
    this.end(connect);
    if (connect.hadSlot || this.#capacity === undefined) return true;
    const hasSlot = user.waiting > 0 ? this.#capacity.take(user) : this.#capacity.takeSpare(user);
    if (!hasSlot) this.#capacity.overbook();
    return hasSlot;
  }

  /** A connect has ended. The slot that it had is the caller's from here on. */
  end(connect: PendingConnect): void {
    this.size -= 1;
    this.pausing.delete(connect);
    this.lacking.delete(connect);
    connect.hadSlot = this.holding.delete(connect);
  }
}

function settle(connect: PendingConnect, isWanted: boolean): void {
  connect.resume?.(isWanted);
  connect.resume = undefined;
}
