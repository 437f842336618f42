import { findingsOf, reportOf } from '../../bench/steady/findings.js';
import { minutePicture } from '../../bench/steady/picture.js';
import { runMinutes } from '../../bench/steady/run-minutes.js';
import { judge } from '../../bench/harness/statistics.js';
import type { LatencySummary } from '../../bench/harness/result.js';
import type { Minute } from '../../bench/programs/steady.js';
import test from '../helpers/sanitary.js';

const PER_SECOND = 1_000;

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
  return findingsOf(minutes, PER_SECOND).notes.find((note) => note.startsWith('Heap')) ?? '';
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
  const verdicts = findingsOf(minutes, PER_SECOND).tables.flatMap(judge);
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

test('failed acquires are counted by code over all minutes', (t) => {
  const minutes = [minute(1, 1, { TIMEOUT: 2 }), minute(1, 1, { TIMEOUT: 1_000 })];
  t.true(findingsOf(minutes, PER_SECOND).notes.includes('120,000 acquires, failed: 1,002 TIMEOUT.'));
});

test('a report of an hour has ten lines of six minutes', (t) => {
  const minutes = Array.from({ length: 60 }, () => minute(9_000_000));
  const run = { takenAt: '2026-01-02T03:04:05Z', machine: {}, cases: [findingsOf(minutes, PER_SECOND)] };
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
