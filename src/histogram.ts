/** Upper bounds of the buckets in milliseconds; longer durations fall into the last bucket. */
export const BUCKET_BOUNDS_MS: readonly number[] = Object.freeze([
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000,
]);

/**
 * Durations as an explicit-bucket histogram, the form in which OpenTelemetry and Prometheus take them.
 * Frozen.
 */
export interface DurationHistogram {
  readonly count: number;
  readonly sumMs: number;
  readonly maxMs: number;
  /**
   * Upper bounds of all buckets but the last, in milliseconds. A duration equal to a bound belongs below it.
   */
  readonly boundsMs: readonly number[];
  /** How many durations fell into each bucket: one more than there are bounds. */
  readonly counts: readonly number[];
}

/** The bounds as plain numbers: V8 keeps each number of a frozen array as an object. */
const BOUNDS_MS = Float64Array.from(BUCKET_BOUNDS_MS);

/** Counts durations. */
export class Histogram {
  readonly #counts = Array.from({ length: BUCKET_BOUNDS_MS.length + 1 }, () => 0);
  #count = 0;
  #sumMs = 0;
  #maxMs = 0;

  record(durationMs: number): void {
    let bucket = 0;
    while (durationMs > (BOUNDS_MS[bucket] ?? Infinity)) bucket += 1;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#count += 1;
    this.#sumMs += durationMs;
    if (durationMs > this.#maxMs) this.#maxMs = durationMs;
  }

  get count(): number {
    return this.#count;
  }

  /** @param zeros durations of 0 that were not recorded one by one */
  snapshot(zeros = 0): DurationHistogram {
    const counts = this.#counts.map((count, bucket) => (bucket === 0 ? count + zeros : count));
    return Object.freeze({
      count: this.#count + zeros,
      sumMs: this.#sumMs,
      maxMs: this.#maxMs,
      boundsMs: BUCKET_BOUNDS_MS,
      counts: Object.freeze(counts),
    });
  }
}

/** The durations of several histograms together. */
export function addHistograms(all: readonly DurationHistogram[]): DurationHistogram {
  const counts = Array.from({ length: BUCKET_BOUNDS_MS.length + 1 }, (_, bucket) =>
    all.reduce((sum, histogram) => sum + (histogram.counts[bucket] ?? 0), 0),
  );
  return Object.freeze({
    count: all.reduce((sum, { count }) => sum + count, 0),
    sumMs: all.reduce((sum, { sumMs }) => sum + sumMs, 0),
    maxMs: all.reduce((max, { maxMs }) => Math.max(max, maxMs), 0),
    boundsMs: BUCKET_BOUNDS_MS,
    counts: Object.freeze(counts),
  });
}
