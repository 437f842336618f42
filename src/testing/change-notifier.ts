interface Waiter {
  readonly isMet: () => boolean;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

/** Lets tests wait for what has happened instead of for time to pass. */
export class ChangeNotifier {
  readonly #waiters = new Set<Waiter>();
  #ended: Error | undefined;

  /**
   * Settles as soon as the condition holds, which is looked at now and after every {@link
   * ChangeNotifier.notify}.
   */
  until(isMet: () => boolean): Promise<void> {
    if (isMet()) return Promise.resolve();
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#waiters.add({ isMet, resolve, reject });
    });
  }

  /** Something countable has changed. */
  notify(): void {
    for (const waiter of this.#waiters) {
      if (!waiter.isMet()) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  /** Nothing will change any more: those who still wait are told, or a test would hang instead of failing. */
  end(reason: Error): void {
    this.#ended = reason;
    for (const waiter of this.#waiters) waiter.reject(reason);
    this.#waiters.clear();
  }
}
