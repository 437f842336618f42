import type { WriteStream } from 'node:tty';

/** Most time between two lines of an output that keeps its lines. */
const QUIET_MS = 5_000;
const CLEAR_LINE = '\r\u001B[2K';

/**
 * Says on standard error what goes on: on a terminal in one line that changes, elsewhere in a line now and
 * then.
 */
export class Progress {
  readonly #out: WriteStream;
  readonly #startedMs = performance.now();
  #prefix = '';
  #lastLineMs = 0;

  constructor(out: WriteStream = process.stderr) {
    this.#out = out;
  }

  begin(name: string, number: number, of: number, budgetMs: number): void {
    this.#prefix = `[${number}/${of}] ${name}`;
    if (!this.#out.isTTY) this.#writeLine(`${this.#prefix}: at most ${budgetMs / 1_000} s`);
  }

  step(what: string): void {
    const line = `${this.#prefix} · ${this.#seconds()} s · ${what}`;
    if (this.#out.isTTY) this.#out.write(CLEAR_LINE + line.slice(0, this.#out.columns - 1));
    else if (performance.now() - this.#lastLineMs > QUIET_MS) this.#writeLine(line);
  }

  end(outcome: string): void {
    if (this.#out.isTTY) this.#out.write(CLEAR_LINE);
    this.#writeLine(`${this.#prefix} · ${outcome}, ${this.#seconds()} s since the start`);
  }

  #writeLine(line: string): void {
    this.#lastLineMs = performance.now();
    this.#out.write(`${line}\n`);
  }

  #seconds(): number {
    return Math.round((performance.now() - this.#startedMs) / 1_000);
  }
}
