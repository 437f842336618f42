/**
 * Runs a callback for each of its objects when the process ends, by `process.exit()` and uncaught errors too.
 * One listener serves all objects: Node warns of more than ten. It is put before the other exit listeners,
 * one of which may throw or call `process.exit()` again; then Node does not call those behind it.
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
    if (this.#objects.size === 0) process.prependListener('exit', this.#onExit);
    this.#objects.add(object);
  }

  delete(object: T): void {
    this.#objects.delete(object);
    if (this.#objects.size === 0) process.off('exit', this.#onExit);
  }
}
