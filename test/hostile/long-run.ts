/**
 * The long run of the hostile tests: `npm run test:hostile -- [--frames N] [--seed S] [--report FILE]`. Bends
 * exchanges in process; sends one stream in a hundred over a real socket through each driver; then fails each
 * system call of the schedule. Prints the seed first, and ends with 1 if anything did not end as it must.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadNative } from '../../src/os/native.js';
import { startTestSystem } from '../../src/testing/index.js';
import { bytesInUse } from '../helpers/heap.js';
import { replaceSection } from '../helpers/markdown.js';
import { SERVICE, VERSION } from '../helpers/talk.js';
import { DRIVERS } from '../negotiation/drivers-kit.js';
import { fuzzDriver } from './driver-property.js';
import { fuzzExchanges, type FuzzTally } from './exchange-property.js';
import { runSchedule, schedules, type ScheduleRecord } from './fault-schedule.js';
import { seedFromEnvironment } from '../helpers/seed.js';

const BATCH = 50_000;
const FRAMES_PER_CONNECTION = 100;

/** A row of the report. */
interface Attack {
  readonly what: string;
  readonly count: number;
  readonly promised: string;
  readonly outcome: string;
}

function attackExchanges(frames: number, seed: number): Attack {
  fuzzExchanges(1_000, seed);
  const bytesBefore = bytesInUse();
  const startedMs = performance.now();
  const tally: FuzzTally = { frames: 0, endings: new Map() };
  for (let batch = 0; tally.frames < frames; batch++) {
    fuzzExchanges(Math.min(BATCH, frames - tally.frames), seed + batch, tally);
    console.log(`${tally.frames} frames, ${rate(tally.frames, startedMs)} frames/s`);
  }
  const growth = `memory in use grew by ${((bytesInUse() - bytesBefore) / 1024).toFixed(0)} KiB`;
  const outcome = `${endings(tally.endings)}; ${growth}`;
  console.log(outcome);
  return {
    what: 'bent frames, exchanges in process',
    count: tally.frames,
    promised: 'G-02, G-03, G-04, G-05, G-06',
    outcome,
  };
}

async function attackDrivers(connections: number, seed: number): Promise<Attack[]> {
  const attacks: Attack[] = [];
  for (const [name, create] of DRIVERS) {
    const startedMs = performance.now();
    await fuzzDriver(create, connections, seed);
    console.log(`${name}: ${connections} hostile connections, ${rate(connections, startedMs)} a second`);
    const what = `bent streams over a socket, ${name}`;
    attacks.push({
      what,
      count: connections,
      promised: 'G-02, G-04, G-05, G-06, G-07',
      outcome: 'all as the oracle says',
    });
  }
  return attacks;
}

async function failSystemCalls(): Promise<Attack[]> {
  const native = process.platform === 'linux' ? loadNative() : undefined;
  if (native === undefined) return [];
  const directory = mkdtempSync(join(tmpdir(), 'bps-'));
  const system = await startTestSystem({
    directory,
    serviceName: SERVICE,
    version: VERSION,
    backend: { handoff: 'none' },
  });
  const records: ScheduleRecord[] = [];
  try {
    for (const schedule of schedules(native))
      records.push(...(await runSchedule(schedule, { ...system, directory })));
  } finally {
    await system.stop();
    rmSync(directory, { recursive: true });
  }
  return records.map((record) => {
    const [where = ''] = record.schedule.split(':');
    const attack = {
      what: `${where}: \`${record.call}\` fails`,
      count: record.injected,
      promised: 'G-01, G-02, G-07',
      outcome: endings(record.endings),
    };
    console.log(`${attack.what} ${attack.count} times: ${attack.outcome}`);
    return attack;
  });
}

function rate(count: number, sinceMs: number): string {
  return ((count * 1_000) / (performance.now() - sinceMs)).toFixed(0);
}

function endings(counts: ReadonlyMap<string, number>): string {
  const sorted = [...counts].toSorted(([, a], [, b]) => b - a);
  return sorted
    .map(([ending, count]) => `${number(count)} ${/^[A-Z_]+$/.test(ending) ? `\`${ending}\`` : ending}`)
    .join(', ');
}

function number(value: number): string {
  return value.toLocaleString('en-GB');
}

function table(attacks: readonly Attack[]): string {
  const rows = attacks.map(
    ({ what, count, promised, outcome }) => `| ${what} | ${number(count)} | ${promised} | ${outcome} |`,
  );
  return ['| attack | times | promised | what came of it |', '|---|---|---|---|', ...rows].join('\n');
}

const { values } = parseArgs({
  options: {
    frames: { type: 'string', default: '1000000' },
    seed: { type: 'string' },
    report: { type: 'string' },
  },
});
const frames = Number(values.frames);
const seed = values.seed === undefined ? seedFromEnvironment() : Number(values.seed);
console.log(`${frames} frames, seed ${seed}`);
const attacks = [
  attackExchanges(frames, seed),
  ...(await attackDrivers(Math.ceil(frames / FRAMES_PER_CONNECTION), seed)),
  ...(await failSystemCalls()),
];
if (values.report !== undefined) {
  const command = `npm run test:hostile -- --frames ${frames} --seed ${seed} --report …`;
  const head = `Written by \`${command}\`, Node ${process.version}, ${process.platform}. Everything else would have ended the run.`;
  replaceSection(values.report, 'hostile report', `${head}\n\n${table(attacks)}`);
}
