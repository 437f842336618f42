import { readFileSync } from 'node:fs';
import os from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { calibrate, type Calibration } from './calibration.js';
import { hasProc } from './proc.js';
import { short } from './print.js';

/** Time for which the machine is watched. */
const WATCH_MS = 3_000;
/** Part of all processors' time; a machine that only runs this program uses some tenths of a per cent. */
const MOST_BUSY_SHARE = 0.05;
/** Part of all processors' time, taken by the machine below a virtual one. */
const MOST_STOLEN_SHARE = 0.01;
/** Most by which the calibrations of a run may differ. A virtual machine without other load reaches 1.5. */
const MOST_SPREAD: Readonly<Record<keyof Calibration, number>> = { promisesUs: 1.9, roundTripUs: 1.9 };
/** A new thread may begin on a core that sleeps more deeply: only what lasts is the machine's speed. */
const MOST_TRIES = 3;
const CALIBRATED: Readonly<Record<keyof Calibration, string>> = {
  promisesUs: 'a loop of promises',
  roundTripUs: 'a message to another thread and back',
};

/** Processor time since the start of the machine, all processors together. */
export interface ProcessorTimes {
  readonly busyMs: number;
  readonly allMs: number;
}

export function processorTimes(): ProcessorTimes {
  const times = os.cpus().map(({ times: { user, nice, sys, irq, idle } }) => ({
    busyMs: user + nice + sys + irq,
    allMs: user + nice + sys + irq + idle,
  }));
  return {
    busyMs: times.reduce((sum, { busyMs }) => sum + busyMs, 0),
    allMs: times.reduce((sum, { allMs }) => sum + allMs, 0),
  };
}

/** Why figures taken on such a machine should not be published, if so. */
export function noiseBetween(before: ProcessorTimes, after: ProcessorTimes): string | undefined {
  const share = (after.busyMs - before.busyMs) / (after.allMs - before.allMs);
  if (share <= MOST_BUSY_SHARE) return undefined;
  return `other programs take ${Math.round(share * 100)} % of the processors, at most ${MOST_BUSY_SHARE * 100} % are allowed`;
}

/** The kernel's counts since its start, in its own unit. */
export interface StolenTimes {
  readonly stolen: number;
  readonly all: number;
}

/** Reads the text of /proc/stat; `undefined` where it lacks the counts. */
export function stolenTimesIn(text: string): StolenTimes | undefined {
  const line = /^cpu +(.*)$/m.exec(text)?.[1];
  // user nice system idle iowait irq softirq steal; the further fields are part of user and nice.
  const times = line?.split(' ').slice(0, 8).map(Number) ?? [];
  const [stolen] = times.slice(7);
  return stolen === undefined ? undefined : { stolen, all: times.reduce((sum, time) => sum + time, 0) };
}

export function theftBetween(
  before: StolenTimes | undefined,
  after: StolenTimes | undefined,
): string | undefined {
  if (before === undefined || after === undefined) return undefined;
  const share = (after.stolen - before.stolen) / (after.all - before.all);
  if (!(share > MOST_STOLEN_SHARE)) return undefined;
  return `the hypervisor took ${short(share * 100)} % of the processors, at most ${MOST_STOLEN_SHARE * 100} % are allowed`;
}

/** The difference of the calibrations, if it is too large. */
export function spreadOf(calibrations: readonly Calibration[]): string | undefined {
  for (const key of ['promisesUs', 'roundTripUs'] as const) {
    const figures = calibrations.map((calibration) => calibration[key]);
    const [fastest, slowest] = [Math.min(...figures), Math.max(...figures)];
    if (slowest > fastest * MOST_SPREAD[key])
      return `${CALIBRATED[key]} took ${short(fastest)} to ${short(slowest)} µs in the course of the run, at most ${MOST_SPREAD[key]} times the fastest are allowed`;
  }
  return undefined;
}

/** Finds out during a run whether its figures are the machine's noise. Each method throws where they are. */
export class QuietWatch {
  #calibrations: readonly Calibration[] = [];
  #stolenTimes = readStolenTimes();

  /** Before the first case and after the last: watches the machine while this program does nothing. */
  async watch(): Promise<void> {
    const before = processorTimes();
    await delay(WATCH_MS);
    refuse(noiseBetween(before, processorTimes()));
    await this.check();
  }

  /** Between cases: whether the machine is as fast as it was, and was ours since the check before. */
  async check(): Promise<void> {
    this.#calibrations = await withAnother(this.#calibrations);
    const stolenTimes = readStolenTimes();
    refuse(theftBetween(this.#stolenTimes, stolenTimes));
    this.#stolenTimes = stolenTimes;
  }
}

/** The calibrations and a new one that fits them. */
async function withAnother(calibrations: readonly Calibration[]): Promise<Calibration[]> {
  for (let triesLeft = MOST_TRIES - 1; ; triesLeft--) {
    const all = [...calibrations, await calibrate()];
    const spread = spreadOf(all);
    if (spread === undefined) return all;
    if (triesLeft === 0) refuse(spread);
  }
}

function refuse(noise: string | undefined): void {
  if (noise !== undefined)
    throw new Error(`the machine is not quiet: ${noise}; end other programs, or leave out --quiet-check`);
}

function readStolenTimes(): StolenTimes | undefined {
  return hasProc ? stolenTimesIn(readFileSync('/proc/stat', 'utf8')) : undefined;
}
