import type { BenchRun, Row, Table } from '../harness/result.js';
import { median } from '../harness/statistics.js';

/** The model's input, measured by `npm run bench:real`; times in seconds. */
export interface MeasuredCosts {
  /** Time of the registered broker for one Hello. */
  readonly hello: number;
  /** The same for a handoff. */
  readonly handoff: number;
  /** Time of an accepting thread for one connection. */
  readonly accept: number;
  /** Time from a naive client's connect to its Hello: an event loop needs it for a bare connect. */
  readonly naiveHelloAfter: number;
  /** Time of this package for a connect alone. */
  readonly ourNegotiated: number;
  readonly ourSkip: number;
  /** Negotiations of Rust threads in a closed loop: callers and the median time, for the check. */
  readonly closedLoop: readonly { readonly callers: number; readonly seconds: number }[];
}

const CASE = 'connect-latency';
const RUST = 'Rust client';
const OURS = 'BrokerPool, new connection';
const BARE = 'bare net.connect';
/**
 * Fewer do not keep the broker busy; many more are in each other's way on the processors that they share with
 * it.
 */
const SATURATING_CALLERS = 16;

/** Takes the costs out of a run. Throws if it is not one of `bench:real` with all of connect-latency. */
export function costsFrom(run: BenchRun): MeasuredCosts {
  const tables = run.cases.find(({ name }) => name === CASE)?.tables ?? [];
  const seconds = (title: string, name: string): number => median(roundsOf(tables, title, 'µs', name)) / 1e6;
  // The best round: whatever else the machine does costs throughput, and never adds any.
  const interval = (title: string): number => 1 / Math.max(...roundsOf(tables, title, 'connects/s', RUST));
  return {
    hello: interval(`negotiated, ${SATURATING_CALLERS} callers`),
    handoff: interval(`handoff, ${SATURATING_CALLERS} callers`),
    accept: interval(`Hello-skip, ${SATURATING_CALLERS} callers`),
    naiveHelloAfter: seconds('negotiated, 1 caller', BARE),
    ourNegotiated: seconds('negotiated, 1 caller', OURS),
    ourSkip: seconds('Hello-skip, 1 caller', OURS),
    closedLoop: [4, 64].map((callers) => ({
      callers,
      seconds: seconds(`negotiated, ${callers} callers`, RUST),
    })),
  };
}

function roundsOf(tables: readonly Table[], title: string, unit: string, name: string): readonly number[] {
  const table = tables.find(
    (candidate) => candidate.title === `${title}, real broker` && candidate.unit === unit,
  );
  const row: Row | undefined = table?.rows.find((candidate) => candidate.name === name);
  if (row === undefined)
    throw new Error(
      `the run has no "${name}" in "${title}" (${unit}); it must come from bench:real, connect-latency included`,
    );
  return row.rounds;
}
