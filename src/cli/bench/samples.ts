/** Durations in milliseconds, in the order of their length. */
export type Samples = readonly number[];

/** A part of the durations: those above the bound of the part before it, up to its own. */
export interface Bucket {
  readonly fromMs: number;
  readonly toMs: number;
  readonly count: number;
}

/** The figures of one measure, in microseconds. */
export interface Figures {
  readonly count: number;
  readonly meanUs: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
}

export function figuresOf(samples: Samples): Figures {
  const sum = samples.reduce((total, sample) => total + sample, 0);
  const microseconds = (ms: number): number => Math.round(ms * 10_000) / 10;
  return {
    count: samples.length,
    meanUs: microseconds(sum / Math.max(1, samples.length)),
    p50Us: microseconds(percentile(samples, 50)),
    p90Us: microseconds(percentile(samples, 90)),
    p99Us: microseconds(percentile(samples, 99)),
    maxUs: microseconds(percentile(samples, 100)),
  };
}

/** The shortest duration that so many percent of all do not exceed. */
function percentile(samples: Samples, percent: number): number {
  const rank = Math.ceil((samples.length * percent) / 100);
  return samples[Math.max(0, rank - 1)] ?? 0;
}

const STEPS = [1, 2, 5] as const;

/** Buckets whose bounds are 1, 2 and 5 of each power of ten, from the first that has any to the last. */
export function bucketsOf(samples: Samples): Bucket[] {
  const buckets: Bucket[] = [];
  let next = 0;
  let fromMs = 0;
  for (let exponent = -4; next < samples.length; exponent++) {
    for (const step of STEPS) {
      const toMs = Number(`${step}e${exponent}`);
      const before = next;
      while (next < samples.length && (samples[next] ?? 0) <= toMs) next++;
      const isInside = buckets.length > 0 && next < samples.length;
      if (next > before || isInside) buckets.push({ fromMs, toMs, count: next - before });
      fromMs = toMs;
      if (next === samples.length) return buckets;
    }
  }
  return buckets;
}
