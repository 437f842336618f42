/** A first-in, first-out queue from which an item anywhere can leave in constant time. */
export class Fifo<Item extends object> {
  #items = new Set<Item>();

  get length(): number {
    return this.#items.size;
  }

  get first(): Item | undefined {
    for (const item of this.#items) return item;
    return undefined;
  }

  push(item: Item): void {
    this.#items.add(item);
  }

  /** Puts items in front of all others, in their order. */
  putBack(items: readonly Item[]): void {
    this.#items = new Set([...items, ...this.#items]);
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
