/**
 * `npm run bench:steady`: acquires at a fixed rate for a long time, minute by minute, and whether anything grows.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { replaceSection } from '../../test/helpers/markdown.js';
import { machine } from '../harness/machine.js';
import { installPeers } from '../harness/peer-modules.js';
import { describeRun } from '../harness/print.js';
import { QuietWatch } from '../harness/quiet.js';
import {
  describeMinute,
  findingsOf,
  parseMeasured,
  reportOf,
  STEADY_QUESTION,
  type Measured,
} from './findings.js';
import { drawMinutes } from './picture.js';
import { runMinutes } from './run-minutes.js';

/** From dist/bench/steady the project is three levels up. */
const RESULT_FILE = fileURLToPath(new URL('../../../bench/results/steady.json', import.meta.url));
const MINUTE_MS = 60_000;

const USAGE = `npm run bench:steady -- [options]        acquires at a fixed rate: does the heap grow, does p99 stay?

  --minutes <n>       how long (default 60)
  --rate <n>          acquires a second (default 1000)
  --from <file>       renders the figures of an older run (bench/results/steady.json) again, and measures nothing
  --quiet-check       measures, and keeps figures, only while nothing else uses the machine
  --report <file>     writes the figures between the marks of a Markdown file
  --pictures <folder> draws steady.svg there`;

function countOf(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`--${name} must be a whole number above 0, got "${text}"`);
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  console.error(`wrote ${file}`);
}

async function measure(minutes: number, perSecond: number, quietCheck: boolean): Promise<Measured> {
  const quiet = quietCheck ? new QuietWatch() : undefined;
  await quiet?.watch();
  const takenAt = new Date().toISOString();
  const wanted = { minutes, perSecond, minuteMs: MINUTE_MS };
  const measured = await runMinutes(wanted, (minute, number) =>
    console.error(`minute ${number} of ${minutes}: ${describeMinute(minute)}`),
  );
  await quiet?.watch();
  return { takenAt, machine: machine(false), minutes: measured };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '60' },
      rate: { type: 'string', default: '1000' },
      from: { type: 'string' },
      'quiet-check': { type: 'boolean', default: false },
      report: { type: 'string' },
      pictures: { type: 'string' },
      help: { type: 'boolean', default: false, short: 'h' },
    },
  });
  if (values.help) return console.log(USAGE);
  const minutes = countOf('minutes', values.minutes);
  const perSecond = countOf('rate', values.rate);
  installPeers();
  const measured =
    values.from === undefined
      ? await measure(minutes, perSecond, values['quiet-check'])
      : parseMeasured(values.from, readFileSync(values.from, 'utf8'));
  const run = { ...measured, cases: [findingsOf(measured.minutes)] };
  console.log(describeRun(run));
  if (values.from === undefined) write(RESULT_FILE, `${JSON.stringify(run, undefined, 1)}\n`);
  if (values.report !== undefined)
    replaceSection(values.report, 'steady report', reportOf(measured.minutes, run));
  if (values.pictures !== undefined)
    write(join(values.pictures, 'steady.svg'), await drawMinutes(STEADY_QUESTION, measured.minutes));
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
