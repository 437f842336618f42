/** Somebody who may have something to write. */
interface Flushable {
  flush(): void;
}

/** Files with changes that may not be on the disk yet; written when the process ends, by `process.exit()` or an uncaught error too. */
class ExitFlush {
  readonly #files = new Set<Flushable>();
  readonly #onExit = (): void => {
    for (const file of this.#files) file.flush();
  };

  add(file: Flushable): void {
    // One listener for all: Node warns of more than ten.
    if (this.#files.size === 0) process.on('exit', this.#onExit);
    this.#files.add(file);
  }

  delete(file: Flushable): void {
    this.#files.delete(file);
    if (this.#files.size === 0) process.off('exit', this.#onExit);
  }
}

export const exitFlush = new ExitFlush();
