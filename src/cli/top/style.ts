/** How a text looks. */
export type Tone = 'bold' | 'dim' | 'red' | 'yellow' | 'cyan';

const CODES: Readonly<Record<Tone, number>> = { bold: 1, dim: 2, red: 31, yellow: 33, cyan: 36 };

export function paint(text: string, tone: Tone | undefined, isColoured: boolean): string {
  return isColoured && tone !== undefined ? `\u001B[${CODES[tone]}m${text}\u001B[0m` : text;
}

/** At most `width` characters, the last of them an ellipsis where some are missing. */
export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}
