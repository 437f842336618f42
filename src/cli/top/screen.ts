import type { Readable } from 'node:stream';
import { ExitHook } from '../../exit-hook.js';
import type { Output } from '../command.js';

/** The other screen of the terminal, without cursor and line wraps. */
const ENTER = '\u001B[?1049h\u001B[?25l\u001B[?7l';
const LEAVE = '\u001B[?7h\u001B[?25h\u001B[?1049l';
const HOME = '\u001B[H';
/** From the cursor on: at its start, the whole line. */
const CLEAR_LINE = '\u001B[K';
const CLEAR_BELOW = '\u001B[J';
const CTRL_C = '\u0003';

/** Screens that a process which ends must give back: a second Ctrl-C ends it at once. */
const open = new ExitHook<Screen>((screen) => screen.leave());

/** A terminal that shows one frame after the other. */
export class Screen {
  readonly #output: Output;
  readonly #input: Readable;
  #isOpen = false;
  readonly #onKeys: (keys: Buffer | string) => void;
  readonly #onResize: () => void;

  /**
   * @param onKey gets `q` and `ctrl-c`
   * @param onResize is told of another size
   */
  constructor(output: Output, input: Readable, onKey: (key: 'q' | 'ctrl-c') => void, onResize: () => void) {
    this.#output = output;
    this.#input = input;
    this.#onResize = onResize;
    this.#onKeys = (keys) => {
      const text = keys.toString();
      if (text.includes(CTRL_C)) onKey('ctrl-c');
      else if (/q/i.test(text)) onKey('q');
    };
  }

  enter(): void {
    this.#isOpen = true;
    open.add(this);
    setRaw(this.#input, true);
    this.#input.on('data', this.#onKeys);
    this.#output.on('resize', this.#onResize);
    this.#output.write(ENTER);
  }

  /**
   * In one write: a frame must not be seen half drawn. Each line is cleared before it is written: behind a line that
   * fills its row the cursor stands on the last character, which would go too.
   */
  draw(lines: readonly string[]): void {
    if (!this.#isOpen) return;
    const body = lines.map((line) => CLEAR_LINE + line).join('\r\n');
    const isFull = lines.length >= (this.#output.rows ?? Infinity);
    this.#output.write(HOME + body + (isFull ? '' : `\r\n${CLEAR_BELOW}`));
  }

  /** Gives the terminal back as it was. Idempotent. */
  leave(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    open.delete(this);
    this.#output.write(LEAVE);
    this.#output.off('resize', this.#onResize);
    this.#input.off('data', this.#onKeys);
    setRaw(this.#input, false);
    // An input that is read keeps the process alive.
    this.#input.pause();
  }
}

/** Keys come one by one, and Ctrl-C as a key. An input that is no terminal has no such mode. */
function setRaw(input: Readable, isRaw: boolean): void {
  if ('setRawMode' in input && typeof input.setRawMode === 'function') input.setRawMode(isRaw);
}
