/** A target as {@link Capacity} sees it. */
export interface CapacityUser {
  /** Connections of the target, those under way included. */
  readonly held: number;
  /** Connections that can make room for another target: idle ones, and connects under way. */
  readonly spare: number;
  /**
   * Since when the connection that has been idle longest is idle, on the monotonic clock; `Infinity` where
   * none is idle.
   */
  readonly idleSinceMs: number;
  /** Callers that wait for one of them. */
  readonly waiting: number;
  /** Closes the connection that has been idle longest and gives its slot back; false where none is idle. */
  evictIdle(): boolean;
  /** Gives back the slot of a connect under way, which goes on without; false where none has a slot. */
  yieldConnect(): boolean;
  /** There may be a slot now. The target takes it if it still needs one. */
  pump(): void;
}

/**
 * The slots that all targets share (`maxTotal`). Every connection has one from before its connect until after
 * its close.
 *
 * Sharing is fair: a target that finds no slot stands in line. A slot that comes back to a target with more
 * than its share goes to the target in line that holds least, of several to the first in line. Targets
 * without callers make room at once: the connection that has been idle longest of all closes, or a connect
 * under way goes on without its slot.
 */
export class Capacity {
  /** Slots that are taken. Changed here only. */
  used = 0;
  readonly #max: number;
  readonly #users = new Set<CapacityUser>();
  /** Targets that need a slot, the one that has stood longest first. */
  readonly #line = new Set<CapacityUser>();
  /** Targets below their minimum that found no slot. */
  readonly #spareLine = new Set<CapacityUser>();
  #evicting = false;

  constructor(max: number) {
    this.#max = max;
  }

  /**
   * Slots that a target could have now: those that are free, and those of idle connections and connects
   * under way of targets without callers.
   */
  availableFor(user: CapacityUser): number {
    let slots = this.#max - this.used;
    for (const other of this.#users) if (other !== user && other.waiting === 0) slots += other.spare;
    return slots;
  }

  join(user: CapacityUser): void {
    this.#users.add(user);
  }

  leave(user: CapacityUser): void {
    this.#users.delete(user);
    this.#line.delete(user);
    this.#spareLine.delete(user);
  }

  /** A slot for a connection that a caller waits for. Without one the target stands in line. */
  take(user: CapacityUser): boolean {
    if (this.used >= this.#max && !this.#evictFor(user)) {
      this.#line.add(user);
      return false;
    }
    this.#line.delete(user);
    this.used += 1;
    return true;
  }

  /** A slot for a spare connection: a free one only. */
  takeSpare(user: CapacityUser): boolean {
    if (this.used >= this.#max || this.#neediest() !== undefined) {
      this.#spareLine.add(user);
      return false;
    }
    this.#spareLine.delete(user);
    this.used += 1;
    return true;
  }

  /** A connect that has lost its slot brings a connection, which closes at once. */
  overbook(): void {
    this.used += 1;
  }

  /** A slot is free again. */
  release(): void {
    this.used -= 1;
    if (this.#evicting) return;
    while (this.used < this.#max) {
      const user = this.#neediest();
      if (user === undefined) return this.#offerSpare();
      this.#line.delete(user);
      user.pump();
    }
  }

  /** The target needs no slot any more. */
  leaveLine(user: CapacityUser): void {
    if (this.#line.delete(user) && this.used < this.#max) this.#offerSpare();
  }

  /**
   * Whether a connection that has just come back should close, so that another target can open one. Two
   * targets are even when they differ by one: moving a slot between them would only cost a connect each
   * time.
   */
  shouldYield(user: CapacityUser): boolean {
    if (!this.isWantedOf(user)) return false;
    // A target that gives a slot away must not be the first to get it.
    if (this.#line.delete(user)) this.#line.add(user);
    return true;
  }

  /** Whether another target needs a slot of this one more than this one does. */
  isWantedOf(user: CapacityUser): boolean {
    const other = this.#neediest(user);
    return other !== undefined && (user.waiting === 0 || other.held === 0 || user.held - other.held >= 2);
  }

  /**
   * The target in line, other than `except`, that holds least. A target that released connections have served
   * leaves the line here.
   */
  #neediest(except?: CapacityUser): CapacityUser | undefined {
    let neediest: CapacityUser | undefined;
    for (const user of this.#line) {
      if (user.waiting === 0) this.#line.delete(user);
      else if (user !== except && (neediest === undefined || user.held < neediest.held)) neediest = user;
    }
    return neediest;
  }

  #offerSpare(): void {
    if (this.#spareLine.size === 0) return;
    const users = Array.from(this.#spareLine);
    // A target that gets no slot now stands in line again by itself.
    this.#spareLine.clear();
    for (const user of users) user.pump();
  }

  #evictFor(user: CapacityUser): boolean {
    // A listener that hears of the closed connection may have another target evict one meanwhile.
    const wasEvicting = this.#evicting;
    this.#evicting = true;
    try {
      const idlest = this.#idlestBut(user);
      const giver =
        idlest?.evictIdle() === true
          ? idlest
          : Array.from(this.#users).find(
              (other) => other !== user && other.waiting === 0 && other.yieldConnect(),
            );
      // The giver may have fallen below its minimum.
      if (giver !== undefined) this.#spareLine.add(giver);
      return giver !== undefined;
    } finally {
      this.#evicting = wasEvicting;
    }
  }

  /** The target without callers whose connection has been idle longest. */
  #idlestBut(user: CapacityUser): CapacityUser | undefined {
    let idlest: CapacityUser | undefined;
    let sinceMs = Infinity;
    for (const other of this.#users) {
      if (other === user || other.waiting > 0 || other.idleSinceMs >= sinceMs) continue;
      idlest = other;
      sinceMs = other.idleSinceMs;
    }
    return idlest;
  }
}
