import { paint } from '../style.js';
import { bucketsOf, figuresOf, type Bucket, type Samples } from './samples.js';

const BAR_WIDTH = 40;
/** Eighths of a character, the narrowest first. */
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const;

/** The figures of a measure, and below them its histogram. */
export function picture(name: string, samples: Samples, elapsedMs: number, isColoured: boolean): string {
  const { count, p50Us, p90Us, p99Us, maxUs } = figuresOf(samples);
  const figures = Object.entries({ p50: p50Us, p90: p90Us, p99: p99Us, max: maxUs }).map(
    ([title, us]) => `${title} ${paint(duration(us / 1_000).padEnd(6), 'bold', isColoured)}`,
  );
  // In 80 columns.
  const head = `${paint(name.padEnd(18), 'bold', isColoured)} ${figures.join(' ')} ${count} in ${duration(elapsedMs)}`;
  const buckets = bucketsOf(samples);
  const most = Math.max(...buckets.map((bucket) => bucket.count));
  return [head, ...buckets.map((bucket) => bucketLine(bucket, most, isColoured))].join('\n');
}

function bucketLine({ fromMs, toMs, count }: Bucket, most: number, isColoured: boolean): string {
  const range = `${duration(fromMs)} – ${duration(toMs)}`.padStart(20);
  return `${range} ${paint(bar(count / most).padEnd(BAR_WIDTH), 'cyan', isColoured)} ${count}`;
}

/** The shortest bar, an eighth of a character: every value above 0 is seen. */
function bar(share: number): string {
  if (share === 0) return '';
  const eighths = Math.max(1, Math.round(share * BAR_WIDTH * EIGHTHS.length));
  return '█'.repeat(Math.floor(eighths / EIGHTHS.length)) + (EIGHTHS[eighths % EIGHTHS.length] ?? '');
}

/** With two or three digits that count. */
export function duration(ms: number): string {
  if (ms === 0) return '0';
  if (ms < 1) return `${digits(ms * 1_000)} µs`;
  return ms < 1_000 ? `${digits(ms)} ms` : `${digits(ms / 1_000)} s`;
}

function digits(value: number): string {
  return String(value < 10 ? Math.round(value * 10) / 10 : Math.round(value));
}
