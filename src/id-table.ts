/** An item of an {@link IdTable}. */
export interface Numbered<Item> {
  readonly id: number;
  /** Belongs to the table: another item with the same place. */
  nextInPlace: Item | undefined;
}

/** Places of a new table. */
const FEWEST_PLACES = 16;
/** A table with more places gives half of them back when less than an eighth are taken. These are 8 KiB. */
const KEPT_PLACES = 1_024;

/**
 * Items by whole numbers that mostly follow each other. Every operation takes constant time on average.
 *
 * Items with the same place are linked, and one that leaves loses its link. A `Map` in place of the table would burden
 * the garbage collector, see `Fifo`.
 */
export class IdTable<Item extends Numbered<Item>> {
  /** An item has its place at its id modulo the length, a power of two. */
  #places: (Item | undefined)[] = emptyPlaces(FEWEST_PLACES);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Takes an item in, whose id no other item of the table has. */
  add(item: Item): void {
    const { length } = this.#places;
    if (this.#size === length) this.#resize(length * 2);
    this.#link(item);
    this.#size += 1;
  }

  get(id: number): Item | undefined {
    let item = this.#places[this.#placeOf(id)];
    while (item !== undefined && item.id !== id) item = item.nextInPlace;
    return item;
  }

  /** Takes the item with an id out; `undefined` where there is none. */
  take(id: number): Item | undefined {
    const place = this.#placeOf(id);
    let previous: Item | undefined;
    let item = this.#places[place];
    while (item !== undefined && item.id !== id) {
      previous = item;
      item = item.nextInPlace;
    }
    if (item === undefined) return undefined;
    if (previous === undefined) this.#places[place] = item.nextInPlace;
    else previous.nextInPlace = item.nextInPlace;
    item.nextInPlace = undefined;
    this.#size -= 1;
    const { length } = this.#places;
    if (length > KEPT_PLACES && this.#size * 8 < length) this.#resize(length / 2);
    return item;
  }

  /** A copy of all items, in no promised order. */
  items(): Item[] {
    const items: Item[] = [];
    for (let item of this.#places) for (; item !== undefined; item = item.nextInPlace) items.push(item);
    return items;
  }

  #placeOf(id: number): number {
    return id & (this.#places.length - 1);
  }

  #link(item: Item): void {
    const place = this.#placeOf(item.id);
    item.nextInPlace = this.#places[place];
    this.#places[place] = item;
  }

  #resize(length: number): void {
    const items = this.items();
    this.#places = emptyPlaces(length);
    for (const item of items) this.#link(item);
  }
}

function emptyPlaces(count: number): undefined[] {
  // oxlint-disable-next-line unicorn/no-new-array -- Array.from takes twenty times as long
  return new Array<undefined>(count).fill(undefined);
}
