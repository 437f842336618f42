import { short } from '../harness/print.js';
import type { Measured } from './measure.js';
import type { SlipRow } from './rows.js';

/** The ratios of the last landed build, by row. */
export type LandedRatios = Readonly<Record<string, number>>;

/** The results on one kind of processor. Another kind has other ratios: half of a codec's, with the same code. */
export interface Landed {
  readonly takenAt: string;
  readonly machine: Readonly<Record<string, string | number>>;
  /** Processor time of ours by that of the peer, of the fastest rounds. */
  readonly ratios: LandedRatios;
}

/** Whether results were measured on a kind of processor. */
export function isOn(cpu: string | number | undefined, { machine }: Landed): boolean {
  return machine['cpu'] === cpu;
}

/** The ratios for a kind of processor. A row that was not measured on it has the widest ratio of the others. */
export function landedOn(cpu: string | number | undefined, all: readonly Landed[]): LandedRatios {
  const widest: Record<string, number> = {};
  for (const { ratios } of all)
    for (const [row, ratio] of Object.entries(ratios)) widest[row] = Math.max(ratio, widest[row] ?? 0);
  return { ...widest, ...all.find((one) => isOn(cpu, one))?.ratios };
}

/** The verdict on one row. */
export interface SlipVerdict {
  readonly row: SlipRow;
  readonly ratio: number;
  /** `undefined` where the landed results lack the row. */
  readonly timesWorse: number | undefined;
  readonly passed: boolean;
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
    passed: timesWorse !== undefined && timesWorse <= row.bound,
    measured,
  };
}

/** The rounds of both. */
export function joined(first: Measured, second: Measured): Measured {
  return { ours: [...first.ours, ...second.ours], peer: [...first.peer, ...second.peer] };
}

/** The verdict as a line. CI counts lines by their beginning. */
export function describeSlip({ row, ratio, timesWorse, passed, measured }: SlipVerdict): string {
  const what = `${passed ? '✓' : '✗'} ${row.name}: ${short(ratio)} × ${row.against}`;
  const rounds = `rounds ${spread(measured.ours)} and ${spread(measured.peer)} ${row.unit ?? 'ns'}`;
  if (timesWorse === undefined) return `${what}, no landed result; ${rounds}`;
  return `${what}, ${short(timesWorse)} times the landed ratio, at most ${row.bound} allowed; ${rounds}`;
}

function spread(rounds: readonly number[]): string {
  return `${short(Math.min(...rounds))}–${short(Math.max(...rounds))}`;
}
