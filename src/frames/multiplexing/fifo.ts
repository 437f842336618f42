/** A first-in, first-out queue from which an item anywhere can leave. Every call takes constant time on average. */
export class Fifo<Item extends object> {
  #items = new Set<Item>();
  // Goes on behind the first item: a new iterator would step over every item that has left.
  #rest = this.#items.values();
  #first: Item | undefined;

  get length(): number {
    return this.#items.size;
  }

  get first(): Item | undefined {
    if (this.#first !== undefined && this.#items.has(this.#first)) return this.#first;
    if (this.#items.size === 0) return (this.#first = undefined);
    let next = this.#rest.next();
    if (next.done === true) {
      // It had come to the end before these items were added.
      this.#rest = this.#items.values();
      next = this.#rest.next();
    }
    return (this.#first = next.value);
  }

  push(item: Item): void {
    this.#items.add(item);
  }

  /** Puts items in front of all others, in their order. */
  putBack(items: readonly Item[]): void {
    if (items.length === 0) return;
    this.#items = new Set([...items, ...this.#items]);
    this.#rest = this.#items.values();
    this.#first = undefined;
  }

  shift(): Item | undefined {
    const item = this.first;
    if (item !== undefined) this.#items.delete(item);
    return item;
  }

  remove(item: Item): void {
    this.#items.delete(item);
  }

  /** Takes out all items. */
  takeAll(): Item[] {
    const items = [...this.#items];
    this.#items.clear();
    return items;
  }
}
