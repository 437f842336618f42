const BARS = '▁▂▃▄▅▆▇█';

/** A count in at most five characters: 0, 3.4, 120, 1.2k, 34M. */
export function shortCount(value: number): string {
  if (!Number.isFinite(value)) return '∞';
  for (const [unit, letter] of [
    [1_000_000_000, 'G'],
    [1_000_000, 'M'],
    [1_000, 'k'],
  ] as const)
    // A value that rounds up to the unit is shown in it.
    if (value >= unit * 0.9995) return shortNumber(value / unit) + letter;
  return shortNumber(value);
}

/** A duration in at most six characters: 0.31ms, 12ms, 1.2s, 3min, 2.5h. */
export function shortDuration(ms: number): string {
  if (ms < 0.005) return '0ms';
  if (ms < 1) return `${ms.toFixed(2)}ms`;
  if (ms < 999.5) return `${shortNumber(ms)}ms`;
  if (ms < 119_500) return `${shortNumber(ms / 1_000)}s`;
  if (ms < 7_170_000) return `${Math.round(ms / 60_000)}min`;
  return `${shortNumber(ms / 3_600_000)}h`;
}

/** How long ago something was, in two units: 3 h 12 min. */
export function longDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor(seconds / 3_600) % 24;
  const minutes = Math.floor(seconds / 60) % 60;
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

/**
 * Bars for the newest values, the last one at the right end. The greatest fills its cell, 0 is the lowest bar, and a
 * missing value is a space.
 */
export function sparkline(values: readonly (number | undefined)[], width: number): string {
  const shown = values.slice(-width);
  const most = Math.max(...shown.map((value) => value ?? 0));
  const bars = shown.map((value) => {
    if (value === undefined) return ' ';
    // All that is more than 0 shows.
    const height = value === 0 ? 0 : Math.max(1, Math.round((value / most) * (BARS.length - 1)));
    return BARS[height] ?? '';
  });
  return bars.join('').padStart(width);
}

function shortNumber(value: number): string {
  return value < 9.95 && !Number.isInteger(value) ? value.toFixed(1) : String(Math.round(value));
}
