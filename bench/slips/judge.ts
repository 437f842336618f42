import { short } from '../harness/print.js';
import type { Measured } from './measure.js';
import type { SlipRow } from './rows.js';

/** The ratios of the last landed build on this kind of processor, by row. */
export type LandedRatios = Readonly<Record<string, number>>;

/** The verdict on one row. */
export interface SlipVerdict {
  readonly row: SlipRow;
  readonly ratio: number;
  /** `undefined` where the landed results lack the row. */
  readonly timesWorse: number | undefined;
  /** `undefined` without a landed result. */
  readonly passed: boolean | undefined;
  readonly measured: Measured;
}

/**
 * Our fastest round divided by the peer's: other programs make a round slower, never faster.
 */
export function ratioOfFastest({ ours, peer }: Measured): number {
  return Math.min(...ours) / Math.min(...peer);
}

export function judgeRow(row: SlipRow, measured: Measured, landed: LandedRatios): SlipVerdict {
  const ratio = ratioOfFastest(measured);
  const before = landed[row.name];
  const timesWorse = before === undefined ? undefined : ratio / before;
  return {
    row,
    ratio,
    timesWorse,
    passed: timesWorse === undefined ? undefined : timesWorse <= row.bound,
    measured,
  };
}

/** The rounds of both. */
export function joined(first: Measured, second: Measured): Measured {
  return { ours: [...first.ours, ...second.ours], peer: [...first.peer, ...second.peer] };
}

/** The verdict as a line. CI counts lines by their beginning. */
export function describeSlip({ row, ratio, timesWorse, passed, measured }: SlipVerdict): string {
  const what = `${row.name}: ${short(ratio)} × ${row.against}`;
  const rounds = `rounds ${spread(measured.ours)} and ${spread(measured.peer)} ${row.unit ?? 'ns'}`;
  if (timesWorse === undefined) return `- ${what}, no landed result of this processor; ${rounds}`;
  return `${passed === true ? '✓' : '✗'} ${what}, ${short(timesWorse)} times the landed ratio, at most ${row.bound} allowed; ${rounds}`;
}

function spread(rounds: readonly number[]): string {
  return `${short(Math.min(...rounds))}–${short(Math.max(...rounds))}`;
}
