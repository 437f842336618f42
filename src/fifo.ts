/** An item of a {@link Fifo}. Both fields belong to the queue. */
export interface Queued<Item> {
  previous: Item | undefined;
  next: Item | undefined;
  /** The queue in which the item stands; `undefined` in none. */
  queue: object | undefined;
}

/**
 * A first-in, first-out queue from which an item anywhere can leave in constant time. An item is in one queue at a
 * time.
 *
 * The items are linked, and an item that leaves loses its links. A `Set` in its place costs the garbage collector
 * twice the time of the rest of a request: a table that it has outgrown points to the next one, so that one table
 * in the old generation keeps all later ones, and the items in them, alive until a full collection.
 */
export class Fifo<Item extends Queued<Item>> {
  #first: Item | undefined;
  #last: Item | undefined;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get first(): Item | undefined {
    return this.#first;
  }

  push(item: Item): void {
    item.queue = this;
    const last = this.#last;
    item.previous = last;
    this.#last = item;
    if (last === undefined) this.#first = item;
    else last.next = item;
    this.#length++;
  }

  /** Puts items in front of all others, in their order. */
  putBack(items: readonly Item[]): void {
    const others = this.takeAll();
    for (const item of items) this.push(item);
    for (const item of others) this.push(item);
  }

  shift(): Item | undefined {
    const item = this.#first;
    if (item !== undefined) this.remove(item);
    return item;
  }

  /** Takes an item out; returns whether it was in this queue. */
  remove(item: Item): boolean {
    if (item.queue !== this) return false;
    const { previous, next } = item;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    item.previous = item.next = item.queue = undefined;
    this.#length--;
    return true;
  }

  /** Takes out all items. */
  takeAll(): Item[] {
    const items: Item[] = [];
    for (let item = this.shift(); item !== undefined; item = this.shift()) items.push(item);
    return items;
  }
}
