import { replaceSection } from '../helpers/markdown.js';
import type { FaultRecord } from './schedule.js';

/** The figures of a soak, as they are printed at its end. */
export interface SoakSummary {
  readonly verdict: 'passed' | 'failed';
  readonly seed: number;
  readonly driver: 'worker' | 'event-loop';
  readonly minutes: number;
  readonly acquires: number;
  readonly served: number;
  readonly talks: number;
  /** Requests of sessions, and how many of them were answered. */
  readonly requests: number;
  readonly answered: number;
  readonly faults: number;
  readonly worstLatenessMs: number;
  readonly worstLatenessWithStallsMs: number;
  readonly worstStallMs: number;
  readonly mostDescriptors: number;
  readonly mostThreads: number;
  readonly heapBeforeBytes: number;
  readonly heapAfterBytes: number;
  readonly left: readonly string[];
  readonly violationCount: number;
  readonly violations: readonly string[];
}

/** Puts the report into its section of a Markdown file. */
export function writeReport(file: string, summary: SoakSummary, records: readonly FaultRecord[]): void {
  replaceSection(file, 'soak report', markdown(summary, records));
}

function markdown(summary: SoakSummary, records: readonly FaultRecord[]): string {
  const {
    acquires,
    answered,
    driver,
    faults,
    heapAfterBytes,
    heapBeforeBytes,
    left,
    minutes,
    requests,
    seed,
    served,
    verdict,
    violationCount,
    worstLatenessMs,
  } = summary;
  const growth = ((heapAfterBytes / heapBeforeBytes - 1) * 100).toFixed(1);
  return [
    `Written by \`npm run soak -- --minutes ${minutes} --seed ${seed} --report …\`: ${verdict}. Drivers: ${driver} and event-loop, Node ${process.version}, ${process.platform}.`,
    '',
    `${number(acquires)} acquires, of which ${number(served)} were served; ${number(requests)} requests of sessions, of which ${number(answered)} were answered; ${number(faults)} faults; ${violationCount} promises broken. The acquire that settled latest did so`,
    `${worstLatenessMs.toFixed(1)} ms after its deadline, stalls of the event loop taken off. Left over at the end: ${left.length === 0 ? 'nothing' : left.join(', ')}. Heap: ${growth} %.`,
    '',
    '| fault | injected | promised | acquires that settled meanwhile | promises broken |',
    '|---|---|---|---|---|',
    ...records.map(
      ({ fault, injected, endings, violations }) =>
        `| ${fault.name} | ${injected} | ${fault.promised} | ${list(endings)} | ${violations} |`,
    ),
  ].join('\n');
}

function list(endings: ReadonlyMap<string, number>): string {
  const sorted = [...endings].toSorted(([, a], [, b]) => b - a);
  return sorted
    .map(([ending, count]) =>
      ending === 'served' ? `${number(count)} served` : `${number(count)} \`${ending}\``,
    )
    .join(', ');
}

function number(value: number): string {
  return value.toLocaleString('en-GB');
}
