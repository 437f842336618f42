import { findingsOf, parseMeasured, reportOf } from '../../bench/steady/findings.js';
import { priorityIn } from '../../bench/harness/priority.js';
import { minutePicture } from '../../bench/steady/picture.js';
import { runMinutes } from '../../bench/steady/run-minutes.js';
import { judge } from '../../bench/harness/statistics.js';
import type { LatencySummary } from '../../bench/harness/result.js';
import type { Minute } from '../../bench/programs/steady.js';
import test from '../helpers/sanitary.js';

function latency(p99: number): LatencySummary {
  return { count: 60_000, p50: p99 / 4, p90: p99 / 2, p99, p999: 2 * p99, max: 10 * p99 };
}

/** A minute that held so many bytes of heap. */
function minute(heapUsed: number, p99 = 40, failures: Minute['failures'] = {}): Minute {
  const held = { heapUsed, external: 2 ** 20, arrayBuffers: 0, rss: 2 ** 26 };
  return {
    acquires: 60_000,
    fromSchedule: latency(30 * p99),
    fromCall: latency(p99),
    failures,
    held: { ...held, descriptors: 30, threads: 11, activeResources: 1 },
  };
}

/** The heap of each minute, and what noise adds to it. */
function minutesWith(heapAt: (minute: number) => number): Minute[] {
  return Array.from({ length: 12 }, (_, at) => minute(heapAt(at) + 2_000 * (at % 2)));
}

function heapNote(minutes: readonly Minute[]): string {
  return findingsOf(minutes).notes.find((note) => note.startsWith('Heap')) ?? '';
}

test('a heap that stays within its noise does not grow', (t) => {
  t.regex(heapNote(minutesWith(() => 9_000_000)), /: no growth\./);
});

test('a heap that gains more than its noise grows, by the bytes of 1,000 acquires', (t) => {
  t.regex(
    heapNote(minutesWith((at) => 9_000_000 + at * 60 * 100)),
    /1,000 acquires: 1\d\d bytes.*: it grows\./,
  );
});

test('two minutes are too few to tell growth from noise', (t) => {
  t.regex(heapNote([minute(9_000_000), minute(9_000_000), minute(9_100_000)]), /too few minutes to tell/);
});

test('the first minute is left out, and the others are compared by halves', (t) => {
  const minutes = [minute(5_000_000, 4_000), minute(9_000_000, 40), minute(9_000_000, 60)];
  const verdicts = findingsOf(minutes).tables.flatMap(judge);
  t.deepEqual(
    verdicts.map(({ reached, met }) => ({ reached, met })),
    [
      { reached: 1.5, met: false },
      { reached: 1.5, met: false },
      { reached: 1, met: true },
      { reached: 1, met: true },
      { reached: 1, met: true },
      { reached: 1, met: true },
    ],
  );
});

/** The bound of the p99 from the call, and whether the last minutes keep to it. */
function flatness(p99s: readonly number[]): { wanted: number | undefined; met: boolean | undefined } {
  const [verdict] = findingsOf(p99s.map((p99) => minute(9_000_000, p99))).tables.flatMap(judge);
  return { wanted: verdict?.target.atMost, met: verdict?.met };
}

test('a p99 of 1.25 times that of the first minutes is flat, and a higher one is not', (t) => {
  t.deepEqual(flatness([900, 40, 40, 40, 50, 50, 50]), { wanted: 1.25, met: true });
  t.deepEqual(flatness([900, 40, 40, 40, 51, 51, 51]), { wanted: 1.25, met: false });
});

test('a p99 no higher than that of the slowest of the first minutes is flat', (t) => {
  t.deepEqual(flatness([900, 40, 40, 80, 79, 79, 79]), { wanted: 2, met: true });
});

test('the slope of the p99 is told with its noise', (t) => {
  const { notes } = findingsOf([900, 40, 42, 44, 46].map((p99) => minute(9_000_000, p99)));
  t.true(
    notes.includes('99 % of acquires, from the call: 2.00 µs more each minute, standard error 0: it grows.'),
  );
});

test('a report says at which priority the run was, where it was not the usual one', (t) => {
  const minutes = [minute(1), minute(1)];
  const report = (machine: Record<string, string>): string =>
    reportOf(minutes, { takenAt: '2026-01-02T03:04:05Z', machine, cases: [findingsOf(minutes)] });
  const usual = { system: 'Linux 6', node: 'v20.1.0', cores: '2' };
  t.true(report(usual).endsWith('UTC: Linux 6, Node 20.1.0, 2 cores.'));
  t.true(report({ ...usual, priority: 'nice -20' }).endsWith('2 cores, nice -20.'));
});

test('a priority is the real-time one, else the nice value, unless it is 0', (t) => {
  const stat = (realTime: number): string =>
    `7 (a (b) c) S ${Array.from({ length: 36 }, () => 1).join(' ')} ${realTime} 1 0`;
  t.is(priorityIn(stat(50), 0), 'real-time priority 50');
  t.is(priorityIn(stat(0), -20), 'nice -20');
  t.is(priorityIn(stat(0), 0), undefined);
  t.is(priorityIn('', 5), 'nice 5');
});

test('a file that is no run of bench:steady is refused by its name', (t) => {
  const { minutes } = parseMeasured('steady.json', JSON.stringify({ minutes: [minute(1)] }));
  t.deepEqual(minutes, [minute(1)]);
  for (const text of ['{}', 'null', '{"minutes":[]}'])
    t.throws(() => parseMeasured('old.json', text), { message: /^old.json is no run/ });
});

test('failed acquires are counted by code over all minutes', (t) => {
  const minutes = [minute(1, 1, { TIMEOUT: 2 }), minute(1, 1, { TIMEOUT: 1_000 })];
  t.true(findingsOf(minutes).notes.includes('120,000 acquires, failed: 1,002 TIMEOUT.'));
});

test('a report of an hour has ten lines of six minutes', (t) => {
  const minutes = Array.from({ length: 60 }, () => minute(9_000_000));
  const run = { takenAt: '2026-01-02T03:04:05Z', machine: {}, cases: [findingsOf(minutes)] };
  const lines = reportOf(minutes, run)
    .split('\n')
    .filter((line) => /^\| \d/.test(line));
  t.deepEqual(
    lines.map((line) => line.split(' ')[1]),
    ['1–6', '7–12', '13–18', '19–24', '25–30', '31–36', '37–42', '43–48', '49–54', '55–60'],
  );
});

test('the picture has a point a minute in each panel', (t) => {
  const { concat } = minutePicture('?', [minute(1), minute(2), minute(3)]);
  t.deepEqual(
    concat.map(({ data }) => data.values.length),
    [3, 3, 3],
  );
});

test('a run acquires at its rate and says what the process holds', async (t) => {
  const numbers: number[] = [];
  const minutes = await runMinutes({ minutes: 2, perSecond: 200, minuteMs: 100 }, (_, number) =>
    numbers.push(number),
  );
  t.deepEqual(numbers, [1, 2]);
  for (const { acquires, fromCall, fromSchedule, failures, held } of minutes) {
    t.deepEqual([acquires, fromCall.count, fromSchedule.count], [20, 20, 20]);
    t.deepEqual(failures, {});
    t.true(fromSchedule.max >= fromCall.max);
    t.true(held.heapUsed > 0 && (held.objects ?? 0) > 0);
  }
});
