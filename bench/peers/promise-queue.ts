import type { ResourcePool } from './pools.js';

interface Waiting<R> {
  readonly resolve: (resource: R) => void;
  next: Waiting<R> | undefined;
}

/**
 * The floor of waiting in line: a promise for each waiter, in a linked list, and nothing else. No deadline,
 * no signal, no check.
 */
export class PromiseQueue<R> implements ResourcePool<R> {
  readonly #idle: R[];
  #first: Waiting<R> | undefined;
  #last: Waiting<R> | undefined;

  constructor(resources: readonly R[]) {
    this.#idle = [...resources];
  }

  acquire(): Promise<R> {
    const resource = this.#idle.pop();
    if (resource !== undefined) return Promise.resolve(resource);
    return new Promise((resolve) => {
      const waiting: Waiting<R> = { resolve, next: undefined };
      if (this.#last === undefined) this.#first = waiting;
      else this.#last.next = waiting;
      this.#last = waiting;
    });
  }

  release(resource: R): void {
    const first = this.#first;
    if (first === undefined) {
      this.#idle.push(resource);
      return;
    }
    this.#first = first.next;
    if (first.next === undefined) this.#last = undefined;
    first.resolve(resource);
  }

  async close(): Promise<void> {}
}
