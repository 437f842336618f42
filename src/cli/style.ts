import type { Environment } from '../broker-options/environment.js';
import type { Output } from './command.js';

/** The look of a text. */
export type Tone = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

const CODES: Readonly<Record<Tone, number>> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 };

/** As other programs decide it: a terminal, unless the variables say otherwise. */
export function isColoured({ isTTY }: Output, env: Environment): boolean {
  const { NO_COLOR: no, FORCE_COLOR: forced } = env;
  if (no !== undefined && no !== '') return false;
  return forced === undefined ? isTTY === true : forced !== '0';
}

/** The text in a tone, where it is coloured. */
export function paint(text: string, tone: Tone | undefined, inColour: boolean): string {
  return inColour && tone !== undefined ? `\u001B[${CODES[tone]}m${text}\u001B[0m` : text;
}

/** At most `width` characters, the last of them an ellipsis where some are missing. */
export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

/** As {@link cut}, for paths: their end says more. */
export function cutFront(text: string, width: number): string {
  return text.length <= width ? text : `…${text.slice(text.length - Math.max(0, width - 1))}`;
}
