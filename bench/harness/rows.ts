import type { Turn } from './closed-loop.js';
import type { Role, Row } from './result.js';
import { Latencies } from './statistics.js';

/** A line of a latency table: the median of each round, and the distribution over all of them. */
export function latencyRow(name: string, role: Role, turns: readonly Pick<Turn, 'latencies'>[]): Row {
  const all = new Latencies();
  for (const { latencies } of turns) all.add(latencies);
  return { name, role, rounds: turns.map(({ latencies }) => latencies.atUs(0.5)), latency: all.summary() };
}

/** As {@link latencyRow}, with another percentile of each round. */
export function percentileRow(
  name: string,
  role: Role,
  turns: readonly Pick<Turn, 'latencies'>[],
  share: number,
): Row {
  return { ...latencyRow(name, role, turns), rounds: turns.map(({ latencies }) => latencies.atUs(share)) };
}

export function throughputRow(name: string, role: Role, turns: readonly Turn[]): Row {
  return { name, role, rounds: turns.map(({ perSecond }) => perSecond) };
}
