import type { WriteStream } from 'node:tty';

const CLEAR_LINE = '\r\u001B[2K';

/** Says on standard error what goes on: on a terminal in one line that changes, elsewhere one line for each case. */
export class Progress {
  readonly #out: WriteStream;
  readonly #startedMs = performance.now();
  #prefix = '';

  constructor(out: WriteStream = process.stderr) {
    this.#out = out;
  }

  begin(name: string, number: number, of: number, budgetMs: number): void {
    this.#prefix = `[${number}/${of}] ${name}`;
    if (!this.#out.isTTY) this.#out.write(`${this.#prefix}: at most ${budgetMs / 1_000} s\n`);
  }

  step(what: string): void {
    if (!this.#out.isTTY) return;
    const line = `${this.#prefix} · ${this.#seconds()} s · ${what}`;
    this.#out.write(CLEAR_LINE + line.slice(0, this.#out.columns - 1));
  }

  end(outcome: string): void {
    const line = `${this.#prefix} · ${outcome}, ${this.#seconds()} s since the start\n`;
    this.#out.write(this.#out.isTTY ? CLEAR_LINE + line : line);
  }

  #seconds(): number {
    return Math.round((performance.now() - this.#startedMs) / 1_000);
  }
}
