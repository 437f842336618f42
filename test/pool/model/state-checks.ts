import type { PoolStats, TargetStats } from '../../../src/index.js';
import type { Tally } from './callers.js';
import { holds } from './rules.js';
import type { Scenario } from './scenario.js';

/** Longer than any pause between connects. */
const LONGEST_PAUSE_MS = 6_000;

/** Facts that the pool cannot know, or must agree with. */
export interface TargetFacts {
  readonly held: number;
  readonly queued: number;
  readonly tally: Tally;
  readonly connectFailures: number;
  /** Validations that a waiter may rely on. */
  readonly youngValidations: number;
  /** How long ago a connect failed last. */
  readonly sinceFailureMs: number;
}

/** Looks at a pool between two steps. */
export function checkState(
  { targets }: PoolStats,
  scenario: Scenario,
  factsOf: (serviceName: string) => TargetFacts,
): void {
  const { maxTotal } = scenario;
  holds('the limits hold', sumHeld(targets) <= maxTotal, () => `${sumHeld(targets)} of ${maxTotal} in all`);
  for (const target of targets) {
    const facts = factsOf(target.serviceName);
    checkLimits(target, scenario);
    checkCounts(target, facts);
    checkWaiting(target, targets, scenario, facts);
  }
}

function checkLimits(target: TargetStats, { max, maxConnecting, maxWaiting }: Scenario): void {
  const { total, leased, detached, connecting, pausing, waiting } = target;
  holds('the limits hold', total + connecting + pausing <= max && connecting + pausing <= maxConnecting, () =>
    describe(target),
  );
  // Each place without a holder serves one waiter.
  holds('the limits hold', waiting - (max - leased - detached) <= maxWaiting, () => describe(target));
}

/** Whether one more caller would exceed maxWaiting. */
export function isQueueFull(
  { targets }: PoolStats,
  serviceName: string,
  { max, maxTotal, maxWaiting }: Scenario,
): boolean {
  const target = targets.find((each) => each.serviceName === serviceName);
  const none = { total: 0, leased: 0, detached: 0, connecting: 0, waiting: 0 };
  const { total, leased, detached, connecting, waiting } = target ?? none;
  const evictable = targets.reduce(
    (sum, other) => (other === target || other.waiting > 0 ? sum : sum + other.idle + other.connecting),
    0,
  );
  const mayOpen = Math.min(max - total - connecting, maxTotal - sumHeld(targets) + evictable);
  return waiting - (total - leased - detached + connecting + mayOpen) >= maxWaiting;
}

function checkCounts(target: TargetStats, { held, queued, tally, connectFailures }: TargetFacts): void {
  const { total, idle, leased, detached, waitMs } = target;
  const counts: Readonly<Record<string, readonly [number, number]>> = {
    total: [total, target.created - sumOf(target.closedByReason)],
    reserved: [total - idle - leased - detached, Math.max(0, total - idle - leased - detached)],
    leased: [leased, held],
    waiting: [target.waiting, queued],
    acquired: [sumOf(target.acquiredByRoute), tally.acquired],
    waits: [waitMs.count, tally.acquired],
    buckets: [sumOf(waitMs.counts), tally.acquired],
    timeouts: [target.timeouts, tally.timeouts],
    // Connects that waited for another's Hello share its failure.
    connectFailures: [target.connectFailures, Math.max(target.connectFailures, connectFailures)],
  };
  for (const [name, [counted, expected]] of Object.entries(counts)) {
    holds(
      'the counts add up',
      counted === expected,
      () => `${target.serviceName}: ${name} is ${counted}, not ${expected}`,
    );
  }
}

function checkWaiting(
  target: TargetStats,
  all: readonly TargetStats[],
  scenario: Scenario,
  { sinceFailureMs, youngValidations }: TargetFacts,
): void {
  const { total, idle, waiting } = target;
  const connecting = target.connecting + target.pausing;
  // A validation that takes longer must not be the only hope of a waiter.
  if (waiting <= connecting + youngValidations) return;
  holds('no caller waits while an idle connection is good', idle === 0, () => describe(target));
  // With nothing open and nothing on its way, no caller may be left waiting for the end of a pause.
  const pausing = total + connecting > 0 && sinceFailureMs < LONGEST_PAUSE_MS;
  const { max, maxConnecting, maxTotal } = scenario;
  if (pausing || total + connecting >= max || connecting >= maxConnecting) return;
  holds('no caller waits while a connection can be opened', sumHeld(all) >= maxTotal, () => describe(target));
  const inTheWay = all.find(
    (other) => other !== target && other.waiting === 0 && other.idle + other.connecting > 0,
  );
  holds(
    'no caller waits while a connection can be opened',
    inTheWay === undefined,
    () =>
      `${describe(target)}; ${inTheWay?.serviceName} has ${inTheWay?.idle} idle, and ${inTheWay?.connecting} under way`,
  );
}

export function describe({
  serviceName,
  total,
  idle,
  leased,
  detached,
  connecting,
  pausing,
  waiting,
}: TargetStats): string {
  return `${serviceName}: total ${total}, idle ${idle}, leased ${leased}, detached ${detached}, connecting ${connecting}, pausing ${pausing}, waiting ${waiting}`;
}

function sumHeld(targets: readonly TargetStats[]): number {
  return targets.reduce((sum, { total, connecting }) => sum + total + connecting, 0);
}

function sumOf(counts: Readonly<Record<string, number>> | readonly number[]): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
