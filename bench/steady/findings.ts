import { short, whole } from '../harness/print.js';
import type { BenchRun, CaseResult, Row, Table } from '../harness/result.js';
import { median, ratioOf, trendOf } from '../harness/statistics.js';
import type { Held, Minute } from '../programs/steady.js';

export const STEADY_QUESTION = 'Does a pool grow or slow down under a constant load?';
/** Minutes at the end that are compared with as many at the beginning; fewer where the run is short. */
const COMPARED_MINUTES = 10;
/** The first minute compiles, opens connections and lets buffers reach their size. */
const WARM_UP_MINUTES = 1;
/** Above the noise of single minutes. The slope shows smaller growth. */
const MOST_HEAP_GROWTH = 1.02;
/** Above what ten minutes of the same pool differ by on a quiet machine. */
const MOST_P99_GROWTH = 1.25;
/** Standard errors above 0 from which a slope counts as growth. */
const CERTAIN = 2;

const KIB = 1_024;
const SECONDS = 60;

interface TimedFrom {
  readonly title: string;
  readonly p99: (minute: Minute) => number;
}

const LATENCIES: readonly TimedFrom[] = [
  { title: '99 % of acquires, from the call', p99: ({ fromCall }) => fromCall.p99 },
  { title: '99 % of acquires, from the schedule', p99: ({ fromSchedule }) => fromSchedule.p99 },
];

/** The measurements of a run, as `bench/results/steady.json` keeps it. */
export interface Measured extends Pick<BenchRun, 'takenAt' | 'machine'> {
  readonly minutes: readonly Minute[];
}

/** Reads the file of an older run. Throws for any other file. */
export function parseMeasured(file: string, text: string): Measured {
  const content: Measured | null = JSON.parse(text);
  if (Array.isArray(content?.minutes) && content.minutes.length > 0) return content;
  throw new Error(`${file} is no run of bench:steady: it has no minutes`);
}

/** The findings of a run. */
export function findingsOf(minutes: readonly Minute[]): CaseResult {
  const warm = warmOf(minutes);
  const compared = Math.max(1, Math.min(COMPARED_MINUTES, Math.floor(warm.length / 2)));
  const first = warm.slice(0, compared);
  const table = (title: string, unit: string, atMost: number, figure: (minute: Minute) => number): Table => {
    const row = (name: string, role: Row['role'], part: readonly Minute[]): Row => ({
      name: `${name} ${compared === 1 ? 'minute' : `${compared} minutes`}`,
      role,
      rounds: part.map(figure),
    });
    const before = row('first', 'floor', first);
    const after = row('last', 'ours', warm.slice(-compared));
    const targets = [{ row: after.name, against: before.name, atMost }];
    return { title, unit, better: 'lower', baseline: before.name, rows: [before, after], targets };
  };
  return {
    name: 'steady',
    question: STEADY_QUESTION,
    tables: [
      ...LATENCIES.map(({ title, p99 }) => table(title, 'µs', mostGrowthOf(first.map(p99)), p99)),
      table('heap', 'KiB', MOST_HEAP_GROWTH, ({ held }) => held.heapUsed / KIB),
      table('descriptors', 'open', 1, ({ held }) => held.descriptors),
      table('threads', 'running', 1, ({ held }) => held.threads),
      table('timers and handles', 'active', 1, ({ held }) => held.activeResources),
    ],
    notes: [
      `${whole(Math.round((minutes[0]?.acquires ?? 0) / SECONDS))} acquires a second for ${minutes.length} minutes; every tenth caller waits for an echo, every thousandth destroys its connection.`,
      `The first minute is left out. Memory is counted between minutes, with no lease out, after collections.`,
      `p99 is flat where the last minutes have at most ${MOST_P99_GROWTH} times that of the first, or no more than the slowest of the first.`,
      ...LATENCIES.map(({ title, p99 }) => describeP99(title, warm.map(p99))),
      describeHeap(minutes),
      describeFailures(minutes),
    ],
    pictures: [],
  };
}

/** A p99 that grows by less than the first minutes differ among themselves does not show. */
function mostGrowthOf(firstP99s: readonly number[]): number {
  return Math.max(MOST_P99_GROWTH, Math.max(...firstP99s) / median(firstP99s));
}

function describeP99(title: string, p99s: readonly number[]): string {
  const { slope, error } = trendOf(p99s);
  return `${title}: ${short(slope)} µs more each minute, standard error ${short(error)}: ${verdictOf(slope, error)}.`;
}

function verdictOf(slope: number, error: number): string {
  if (Number.isNaN(error)) return 'too few minutes to tell';
  return slope - CERTAIN * error > 0 ? 'it grows' : 'no growth';
}

/** The minutes that are compared: all but the first, unless there is no other. */
function warmOf(minutes: readonly Minute[]): readonly Minute[] {
  return minutes.length > WARM_UP_MINUTES ? minutes.slice(WARM_UP_MINUTES) : minutes;
}

/** The slope of the heap with its noise, and the verdict. */
function describeHeap(minutes: readonly Minute[]): string {
  const warm = warmOf(minutes);
  const { slope, error } = trendOf(warm.map(({ held }) => held.heapUsed));
  const thousands = (warm[0]?.acquires ?? Number.NaN) / 1_000;
  const objects = minutes.flatMap(({ held }, at) =>
    held.objects === undefined ? [] : [`${whole(held.objects)} (${at + 1})`],
  );
  return (
    `Heap for each 1,000 acquires: ${short(slope / thousands)} bytes, standard error ${short(error / thousands)}: ${verdictOf(slope, error)}. ` +
    `Bytes of objects without what the engine keeps for itself, after minutes: ${objects.join(', ')}.`
  );
}

function describeFailures(minutes: readonly Minute[]): string {
  const counts = new Map<string, number>();
  for (const { failures } of minutes)
    for (const [code, count] of Object.entries(failures)) counts.set(code, (counts.get(code) ?? 0) + count);
  const acquires = minutes.reduce((sum, minute) => sum + minute.acquires, 0);
  const failed = [...counts].map(([code, count]) => `${whole(count)} ${code}`).join(', ');
  return `${whole(acquires)} acquires, failed: ${failed === '' ? 'none' : failed}.`;
}

/** One line while the run goes on. */
export function describeMinute({ fromCall, fromSchedule, held }: Minute): string {
  return [
    `from the call ${short(fromCall.p50)} µs, p99 ${short(fromCall.p99)}`,
    `from the schedule ${short(fromSchedule.p50)} µs, p99 ${short(fromSchedule.p99)}`,
    `heap ${whole(Math.round(held.heapUsed / KIB))} KiB, rss ${mib(held.rss)} MiB`,
    `${held.descriptors} descriptors, ${held.threads} threads, ${held.activeResources} active`,
  ].join('; ');
}

const HEADER = [
  '<!-- prettier-ignore -->',
  '| minutes | from the call: p50 | p99 | from the schedule: p50 | p99 | p99.9 | heap | external | resident | descriptors | threads | active |',
  '|---|---|---|---|---|---|---|---|---|---|---|---|',
];

/** The figures for a document, several minutes in a line. */
export function reportOf(minutes: readonly Minute[], { takenAt, machine, cases }: BenchRun): string {
  const perLine = Math.max(1, Math.ceil(minutes.length / COMPARED_MINUTES));
  const lines: string[] = [];
  for (let at = 0; at < minutes.length; at += perLine)
    lines.push(reportLine(minutes.slice(at, at + perLine), at + 1));
  const [result] = cases;
  const { system, node, cores, priority } = machine;
  const where = [
    system,
    `Node ${String(node).slice(1)}`,
    `${cores} cores`,
    ...(priority === undefined ? [] : [priority]),
  ];
  const verdicts = (result?.tables ?? []).map(({ title, rows: [first, last] }) =>
    first === undefined || last === undefined ? title : `${title} ${short(ratioOf(last, first).middle)}`,
  );
  return [
    ...HEADER,
    ...lines,
    '',
    'Medians of the minutes; times in µs, heap and external in KiB, resident in MiB.',
    `The last minutes as a multiple of the first: ${verdicts.join(', ')}.`,
    '',
    ...(result?.notes ?? []).map((note) => `- ${note}`),
    '',
    `Taken on ${takenAt.slice(0, 10)} at ${takenAt.slice(11, 16)} UTC: ${where.join(', ')}.`,
  ].join('\n');
}

function reportLine(part: readonly Minute[], from: number): string {
  const to = from + part.length - 1;
  const middle = (figure: (minute: Minute) => number): number => median(part.map(figure));
  const kept = (figure: (held: Held) => number): number => middle(({ held }) => figure(held));
  const cells = [
    from === to ? String(from) : `${from}–${to}`,
    short(middle(({ fromCall }) => fromCall.p50)),
    short(middle(({ fromCall }) => fromCall.p99)),
    short(middle(({ fromSchedule }) => fromSchedule.p50)),
    short(middle(({ fromSchedule }) => fromSchedule.p99)),
    short(middle(({ fromSchedule }) => fromSchedule.p999)),
    whole(Math.round(kept(({ heapUsed }) => heapUsed) / KIB)),
    whole(Math.round(kept(({ external }) => external) / KIB)),
    mib(kept(({ rss }) => rss)),
    String(kept(({ descriptors }) => descriptors)),
    String(kept(({ threads }) => threads)),
    String(kept(({ activeResources }) => activeResources)),
  ];
  return `| ${cells.join(' | ')} |`;
}

function mib(bytes: number): string {
  return whole(Math.round(bytes / KIB / KIB));
}
