interface Waiter {
  readonly isMet: () => boolean;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

/** Lets tests wait for a condition instead of for time to pass. */
export class ChangeNotifier {
  readonly #waiters = new Set<Waiter>();
  #ended: Error | undefined;

  /** Settles as soon as the condition holds. Checks it now and after every {@link ChangeNotifier.notify}. */
  until(isMet: () => boolean): Promise<void> {
    if (isMet()) return Promise.resolve();
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#waiters.add({ isMet, resolve, reject });
    });
  }

  /** A counter has changed. */
  notify(): void {
    for (const waiter of this.#waiters) {
      if (!waiter.isMet()) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  /** Rejects all waiters: no counter will change any more, and a test must fail instead of hanging. */
  end(reason: Error): void {
    this.#ended = reason;
    for (const waiter of this.#waiters) waiter.reject(reason);
    this.#waiters.clear();
  }
}
