import { short, whole } from '../harness/print.js';
import type { BenchRun, CaseResult, Row, Table } from '../harness/result.js';
import { median, ratioOf, trendOf } from '../harness/statistics.js';
import type { Held, Minute } from '../programs/steady.js';

export const STEADY_QUESTION = 'Does a pool grow or slow down under a constant load?';
/** So many minutes at the end are compared with as many at the beginning, fewer where the run is short. */
const COMPARED_MINUTES = 10;
/** The first minute compiles, opens connections and lets buffers reach their size. */
const WARM_UP_MINUTES = 1;
/** Above the noise of single minutes. The slope tells smaller growth. */
const MOST_HEAP_GROWTH = 1.02;
const MOST_P99_GROWTH = 1.1;
/** A slope that is so many standard errors above 0 is growth. */
const CERTAIN = 2;

const KIB = 1_024;

/** What a run says. */
export function findingsOf(minutes: readonly Minute[], perSecond: number): CaseResult {
  const warm = warmOf(minutes);
  const compared = Math.max(1, Math.min(COMPARED_MINUTES, Math.floor(warm.length / 2)));
  const table = (title: string, unit: string, atMost: number, figure: (minute: Minute) => number): Table => {
    const row = (name: string, role: Row['role'], part: readonly Minute[]): Row => ({
      name: `${name} ${compared === 1 ? 'minute' : `${compared} minutes`}`,
      role,
      rounds: part.map(figure),
    });
    const first = row('first', 'floor', warm.slice(0, compared));
    const last = row('last', 'ours', warm.slice(-compared));
    const targets = [{ row: last.name, against: first.name, atMost }];
    return { title, unit, better: 'lower', baseline: first.name, rows: [first, last], targets };
  };
  return {
    name: 'steady',
    question: STEADY_QUESTION,
    tables: [
      table('99 % of acquires, from the call', 'µs', MOST_P99_GROWTH, ({ fromCall }) => fromCall.p99),
      table(
        '99 % of acquires, from the schedule',
        'µs',
        MOST_P99_GROWTH,
        ({ fromSchedule }) => fromSchedule.p99,
      ),
      table('heap', 'KiB', MOST_HEAP_GROWTH, ({ held }) => held.heapUsed / KIB),
      table('descriptors', 'open', 1, ({ held }) => held.descriptors),
      table('threads', 'running', 1, ({ held }) => held.threads),
      table('timers and handles', 'active', 1, ({ held }) => held.activeResources),
    ],
    notes: [
      `${whole(perSecond)} acquires a second for ${minutes.length} minutes; every tenth caller waits for an echo, every thousandth destroys its connection.`,
      `The first minute is left out. Memory is counted between minutes, with no lease out, after collections.`,
      describeHeap(minutes),
      describeFailures(minutes),
    ],
    pictures: [],
  };
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
  const verdict =
    slope - CERTAIN * error > 0 ? 'it grows' : Number.isNaN(error) ? 'too few minutes to tell' : 'no growth';
  const objects = minutes.flatMap(({ held }, at) =>
    held.objects === undefined ? [] : [`${whole(held.objects)} (${at + 1})`],
  );
  return (
    `Heap for each 1,000 acquires: ${short(slope / thousands)} bytes, standard error ${short(error / thousands)}: ${verdict}. ` +
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
    `Taken on ${takenAt.slice(0, 10)} at ${takenAt.slice(11, 16)} UTC: ${machine['system']}, Node ${String(machine['node']).slice(1)}, ${machine['cores']} cores.`,
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
