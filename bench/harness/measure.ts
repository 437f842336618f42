import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

/** One way to get a connection. `connect` resolves with a function that closes what it opened. */
export interface Contender {
  readonly name: string;
  connect(): Promise<() => void>;
}

/** What one round of one contender showed. */
export interface Round {
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
}

/** Runs `total` connects by `callers` loops, each of which waits for one connect before the next. */
export async function measureRound(contender: Contender, callers: number, total: number): Promise<Round> {
  const histogram = createHistogram({ lowest: 1, highest: 120_000_000_000, figures: 3 });
  let left = total;
  const startedNs = process.hrtime.bigint();
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (left > 0) {
        left -= 1;
        const beginNs = process.hrtime.bigint();
        const close = await contender.connect();
        histogram.record(process.hrtime.bigint() - beginNs);
        close();
      }
    }),
  );
  const elapsedNs = Number(process.hrtime.bigint() - startedNs);
  return summarize(histogram, total, elapsedNs);
}

function summarize(histogram: RecordableHistogram, total: number, elapsedNs: number): Round {
  const microseconds = (percentile: number): number => histogram.percentile(percentile) / 1_000;
  return {
    perSecond: total / (elapsedNs / 1e9),
    p50Us: microseconds(50),
    p90Us: microseconds(90),
    p99Us: microseconds(99),
    p999Us: microseconds(99.9),
    maxUs: histogram.max / 1_000,
  };
}

/** The middle of the rounds, figure by figure: one noisy round must not decide. */
export function medianRound(rounds: readonly Round[]): Round {
  const middle = (key: keyof Round): number => {
    const sorted = rounds.map((round) => round[key]).toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  };
  return {
    perSecond: middle('perSecond'),
    p50Us: middle('p50Us'),
    p90Us: middle('p90Us'),
    p99Us: middle('p99Us'),
    p999Us: middle('p999Us'),
    maxUs: middle('maxUs'),
  };
}
