import { systemClock, type Clock } from '../clock.js';
import type { Output } from './command.js';

/** Work that takes less time is not worth a line. */
const PATIENCE_MS = 1_000;
/** Faster than a reader sees; more writes would only cost time. */
const BETWEEN_MS = 100;
const BAR_WIDTH = 24;
const CLEAR_LINE = '\r\u001B[2K';

/** The line of a command that takes longer than a second: on terminals alone, and erased at the end. */
export interface Progress {
  /** @param share from 0 to 1, where it is known */
  show(text: string, share?: number): void;
  /** Erases the line: call it before anything else is printed. */
  clear(): void;
}

/** @param output the error output: the results of a command stay free of it */
export function startProgress(output: Output, clock: Clock = systemClock): Progress {
  if (output.isTTY !== true) return { show: () => {}, clear: () => {} };
  const startedMs = clock.now();
  let shownMs = -Infinity;
  let isShown = false;
  return {
    show(text, share) {
      const nowMs = clock.now();
      if (nowMs - startedMs < PATIENCE_MS || nowMs - shownMs < BETWEEN_MS) return;
      shownMs = nowMs;
      isShown = true;
      // A terminal without a size says 0.
      output.write(`${CLEAR_LINE}${fitting(text, share, output.columns || 80)}`);
    },
    clear() {
      if (isShown) output.write(CLEAR_LINE);
      isShown = false;
    },
  };
}

/** Shorter than the line: a wrapped one could not be erased. */
function fitting(text: string, share: number | undefined, columns: number): string {
  if (share === undefined) return text.slice(0, columns - 1);
  const filled = Math.round(Math.min(1, share) * BAR_WIDTH);
  return `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)} ${text}`.slice(0, columns - 1);
}

/** Shows the wait of a command, with the seconds that have passed. */
export async function showWhile<T>(
  output: Output,
  text: string,
  work: Promise<T>,
  clock: Clock = systemClock,
): Promise<T> {
  const progress = startProgress(output, clock);
  const startedMs = clock.now();
  let stop = (): void => {};
  const tick = (): void => {
    progress.show(`${text}, ${Math.round((clock.now() - startedMs) / 1_000)} s`);
    stop = clock.schedule(PATIENCE_MS, tick);
  };
  if (output.isTTY === true) tick();
  try {
    return await work;
  } finally {
    stop();
    progress.clear();
  }
}
