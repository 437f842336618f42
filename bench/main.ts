/**
 * `npm run bench`: runs the cases one after the other, each in a process of its own, and says what they
 * found.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { replaceSection } from '../test/helpers/markdown.js';
import { buildInteropProgram } from '../test/interop/real-broker.js';
import { builds, cases } from './cases/index.js';
import { parseBenchArguments, selectByName, USAGE, type BenchArguments } from './harness/arguments.js';
import type { BenchCase } from './harness/case.js';
import { compareRuns, parseRun, slips } from './harness/compare.js';
import { machine } from './harness/machine.js';
import { installPeers } from './harness/peer-modules.js';
import { drawPictures } from './harness/pictures.js';
import { describeComparison, describeRun } from './harness/print.js';
import { Progress } from './harness/progress.js';
import { QuietWatch } from './harness/quiet.js';
import type { BenchRun, CaseResult } from './harness/result.js';
import { runCase } from './harness/run-case.js';
import { targetTable } from './harness/target-table.js';

/** From dist/bench the project is two levels up. */
const RESULTS_FOLDER = fileURLToPath(new URL('../../bench/results/', import.meta.url));

function list(): void {
  for (const { name, question } of cases) console.log(`${name.padEnd(18)} ${question}`);
}

function rustProgram(): string {
  const built = buildInteropProgram();
  if ('missing' in built) throw new Error(`bench:real needs the Rust program: ${built.missing}`);
  return built.program;
}

async function runAll(
  selected: readonly BenchCase[],
  { real, rounds, against, node, filters }: BenchArguments,
  quiet: QuietWatch | undefined,
): Promise<{ run: BenchRun; failures: Error[] }> {
  installPeers();
  const program = real ? rustProgram() : undefined;
  const progress = new Progress();
  const results: CaseResult[] = [];
  const failures: Error[] = [];
  const takenAt = new Date().toISOString();
  for (const [index, benchCase] of selected.entries()) {
    progress.begin(benchCase.name, index + 1, selected.length, benchCase.budgetMs);
    try {
      const task = { name: benchCase.name, rounds, rustProgram: program, against, node, filters };
      results.push(await runCase(benchCase, task, (what) => progress.step(what)));
      progress.end('done');
    } catch (error) {
      failures.push(error instanceof Error ? error : new Error(String(error)));
      progress.end('failed');
    }
    await quiet?.check();
  }
  return { run: { takenAt, machine: machine(real), cases: results }, failures };
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  console.error(`wrote ${file}`);
}

async function report(
  run: BenchRun,
  older: BenchRun | undefined,
  { against, bound, filters, real, json, pictures, table }: BenchArguments,
): Promise<void> {
  const text = `${JSON.stringify(run, undefined, 1)}\n`;
  if (json) process.stdout.write(text);
  else console.log(describeRun(run));
  // A part must not take the place of the whole.
  write(
    join(
      RESULTS_FOLDER,
      `${real ? 'bench-real' : 'bench'}${filters.length === 0 && against === undefined ? '' : '-part'}.json`,
    ),
    text,
  );
  if (older !== undefined) {
    const comparison = compareRuns(older, run);
    console[json ? 'error' : 'log'](`\n${describeComparison(comparison)}`);
    if (slips(comparison, bound).length > 0) process.exitCode = 1;
  }
  if (table !== undefined) replaceSection(table, 'targets', targetTable(run));
  if (pictures === undefined) return;
  for (const { name, svg } of await drawPictures(run)) write(join(pictures, `${name}.svg`), svg);
}

async function main(): Promise<void> {
  const wanted = parseBenchArguments(process.argv.slice(2));
  if (wanted.help) return console.log(USAGE);
  if (wanted.list) return list();
  const selected = wanted.against === undefined ? selectByName(cases, wanted.filters) : [builds];
  // Before five minutes of work, in case the file cannot be read; and before that work overwrites it.
  const older: BenchRun | undefined =
    wanted.compare === undefined ? undefined : parseRun(wanted.compare, readFileSync(wanted.compare, 'utf8'));
  const quiet = wanted.quietCheck ? new QuietWatch() : undefined;
  await quiet?.watch();
  const { run, failures } = await runAll(selected, wanted, quiet);
  // Other programs may have begun meanwhile: figures that may be theirs are neither shown nor kept.
  await quiet?.watch();
  await report(run, older, wanted);
  for (const failure of failures) console.error(`FAILED: ${failure.message}`);
  if (failures.length > 0) process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
