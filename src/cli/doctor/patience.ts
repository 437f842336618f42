import { within } from '../../clock.js';

/** The result of a request, or the fact that it takes longer than its limit. */
export type Outcome<T> = { readonly result: T } | 'late';

/**
 * Requests that have limits but are not given up: a registered broker ends its accept loop when a client hangs up
 * before its reply (V-31). The command ends when the last of them has ended.
 */
export class PatientRequests {
  readonly #late = new Set<Promise<unknown>>();

  /** Rejects as the request does, unless it is late by then. */
  async within<T>(limitMs: number, request: Promise<T>): Promise<Outcome<T>> {
    let outcome: Outcome<T> = 'late';
    await within(
      limitMs,
      request.then((result) => (outcome = { result })),
    );
    if (outcome === 'late') {
      const settled: Promise<unknown> = request.then(
        () => this.#late.delete(settled),
        () => this.#late.delete(settled),
      );
      this.#late.add(settled);
    }
    return outcome;
  }

  /** How many requests are still without an answer. */
  get count(): number {
    return this.#late.size;
  }

  /** Resolves when all late requests have ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#late);
  }
}
