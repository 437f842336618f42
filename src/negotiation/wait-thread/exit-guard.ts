/** Somebody whose thread may be blocked in a wait. */
interface Waiting {
  /** Makes the thread return from its wait. */
  stopWaiting(): void;
}

/**
 * Drivers whose threads are in a wait. Node joins its threads at the end of the process, `process.exit()` included, and would
 * hang until each blocked call returns by itself.
 */
class ExitGuard {
  readonly #waiting = new Set<Waiting>();
  readonly #onExit = (): void => {
    for (const driver of this.#waiting) driver.stopWaiting();
  };

  add(driver: Waiting): void {
    if (this.#waiting.size === 0) process.on('exit', this.#onExit);
    this.#waiting.add(driver);
  }

  delete(driver: Waiting): void {
    this.#waiting.delete(driver);
    if (this.#waiting.size === 0) process.off('exit', this.#onExit);
  }
}

export const exitGuard = new ExitGuard();
