/**
 * What must still be done at the end of the process, by `process.exit()` and uncaught errors too, for each of the objects that are in it at that
 * time. One listener for all of them: Node warns of more than ten.
 */
export class ExitHook<T> {
  readonly #objects = new Set<T>();
  readonly #onExit: () => void;

  constructor(atExit: (object: T) => void) {
    this.#onExit = () => {
      for (const object of this.#objects) atExit(object);
    };
  }

  add(object: T): void {
    if (this.#objects.size === 0) process.on('exit', this.#onExit);
    this.#objects.add(object);
  }

  delete(object: T): void {
    this.#objects.delete(object);
    if (this.#objects.size === 0) process.off('exit', this.#onExit);
  }
}
