import { availableParallelism, loadavg } from 'node:os';

/** The variable that sets the factor, for machines that are slow without being loaded, such as emulated ones. */
const VARIABLE = 'BROKER_POOL_TEST_PATIENCE';
/** The least factor: the configurations of ava set it to the processes that they run for each processor. */
const LEAST_VARIABLE = 'BROKER_POOL_TEST_LEAST_PATIENCE';
const MOST = 6;

/**
 * By how much the deadlines of a test grow on a machine that is busy: 1 where each processor has at most one process
 * to run. A test whose deadline is meant to pass pays for the factor, so that it is small where it can be. The load
 * average alone does not do: it needs a minute to show what the run itself starts.
 */
export function patience(): number {
  const given = Number(process.env[VARIABLE]);
  if (given > 0) return given;
  const [lastMinute = 0] = loadavg();
  const least = Number(process.env[LEAST_VARIABLE] ?? 1);
  return Math.min(MOST, Math.max(least, lastMinute / availableParallelism()));
}

/** A deadline that is meant to pass, with room for what must happen before it. */
export function scaled(durationMs: number): number {
  return Math.ceil(durationMs * patience());
}
