/**
 * Shows that the tests notice changes: `npm run test:mutations -- [--sample 100] [--seed 1]
 * [--only PART,PART] [--copies 2] [--report FILE]`.
 *
 * Takes the coverage of each test file first, and keeps it for the next run. Then it puts mutants into
 * copies of the build, one at a time in each, and runs the nearest tests that reach the place until one fails.
 * Ends with 1 where fewer than nine mutants of ten are noticed. `--sample 0` takes all of them.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { replaceSection } from '../helpers/markdown.js';
import { MutableCopy, type TestRun } from './copy.js';
import { CoverageTaker, type TestCoverage } from './coverage.js';
import { compiledFilesOf, readCompiled } from './files.js';
import { mutantsOf, type Mutant } from './mutants.js';
import { isAsked, testsFor } from './selection.js';
import { KNOWN_SURVIVORS, type KnownSurvivor } from './survivors.js';

const WANTED_SHARE = 0.9;
/** How long a test file may run with a mutant in it: several times as long as without, and so much more. */
const LIMIT_FACTOR = 5;
const LIMIT_ADDED_MS = 20_000;

interface Verdict {
  readonly mutant: Mutant;
  readonly outcome: 'killed' | 'late' | 'survived' | 'unreached';
  /** The test that noticed it. */
  readonly killedBy?: string;
  readonly durationMs: number;
}

const { values } = parseArgs({
  options: {
    sample: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: 'src' },
    copies: { type: 'string', default: String(availableParallelism()) },
    report: { type: 'string' },
  },
});
const parts = values.only.split(',');
const possible = compiledFilesOf('src')
  .filter((file) => !file.startsWith('src/wire/gen/'))
  .flatMap((file) => mutantsOf(file, readCompiled(file)))
  .filter(({ file, where }) => parts.some((part) => `${file} ${where}`.includes(part)));
const sample = sampled(possible, Number(values.sample), Number(values.seed));
const known = sample.flatMap((mutant) => KNOWN_SURVIVORS.filter((each) => isSame(each, mutant)));
const counted = sample.filter((mutant) => !KNOWN_SURVIVORS.some((each) => isSame(each, mutant)));

const copies = Array.from({ length: Number(values.copies) }, (_, index) => new MutableCopy(index));
const tests: TestCoverage[] = [];
const verdicts: Verdict[] = [];
try {
  await takeCoverage();
  await inCopies(counted, async (copy, mutant) => {
    const verdict = await judge(copy, mutant);
    verdicts.push(verdict);
    console.log(`${verdicts.length}/${counted.length} ${describe(mutant)}: ${outcomeOf(verdict)}`);
  });
} finally {
  for (const copy of copies) copy.remove();
}
report();

async function takeCoverage(): Promise<void> {
  const begin = performance.now();
  const taker = new CoverageTaker();
  await inCopies(compiledFilesOf('test').filter(isAsked), async (copy, test) => {
    const coverage = await taker.take(copy, test);
    if (coverage.isBroken) console.log(`${test} fails without a mutant, and is not asked`);
    else tests.push(coverage);
  });
  console.log(`Coverage of ${tests.length} test files: ${secondsSince(begin)} s`);
}

async function judge(copy: MutableCopy, mutant: Mutant): Promise<Verdict> {
  const begin = performance.now();
  const asked = testsFor(mutant, tests);
  for (const { test, durationMs } of asked) {
    const limitMs = LIMIT_FACTOR * durationMs + LIMIT_ADDED_MS;
    const { failure, isLate } = await runWith(copy, mutant, test, limitMs);
    if (failure === undefined) continue;
    // On a machine that is busy a test may fail without the mutant's doing.
    if ((await copy.run(test, limitMs)).failure !== undefined) continue;
    const outcome = isLate ? 'late' : 'killed';
    return { mutant, outcome, killedBy: failure, durationMs: performance.now() - begin };
  }
  const outcome = asked.length === 0 ? 'unreached' : 'survived';
  return { mutant, outcome, durationMs: performance.now() - begin };
}

async function runWith(copy: MutableCopy, mutant: Mutant, test: string, limitMs: number): Promise<TestRun> {
  using _ = copy.plant(mutant);
  return await copy.run(test, limitMs);
}

/** Works off the items, one at a time in each copy. */
async function inCopies<T>(
  items: readonly T[],
  work: (copy: MutableCopy, item: T) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  await Promise.all(
    copies.map(async (copy) => {
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(copy, item);
    }),
  );
}

function report(): void {
  const killed = verdicts.filter(({ killedBy }) => killedBy !== undefined);
  const late = killed.filter(({ outcome }) => outcome === 'late');
  const survivors = verdicts.filter(({ killedBy }) => killedBy === undefined);
  const share = killed.length / verdicts.length;
  const meanMs = verdicts.reduce((sum, { durationMs }) => sum + durationMs, 0) / verdicts.length;
  const summary =
    `${killed.length} of ${verdicts.length} noticed (${(100 * share).toFixed(1)} %), ${late.length} of them by ` +
    `a test that did not end; ${known.length} more change nothing; out of ${possible.length} possible; seed ${values.seed}`;
  const rows = [
    ...survivors.map((verdict) => `- ${describe(verdict.mutant)}: ${outcomeOf(verdict)}`),
    ...known.map((each) => `- \`${each.where}\`: ${each.kind} in \`${each.before}\`: ${each.reason}`),
  ];
  console.log(`${summary}\n${(meanMs / 1000).toFixed(1)} s a mutant and copy\n${rows.join('\n')}`);
  if (values.report !== undefined)
    replaceSection(
      values.report,
      'mutations',
      `\n${summary}. Those that no test notices:\n\n${rows.join('\n')}\n`,
    );
  process.exitCode = share >= WANTED_SHARE ? 0 : 1;
}

function describe({ file, where, kind, before }: Mutant): string {
  return `\`${file.replace(/\.js$/, '.ts')}\`, ${where}: ${kind} in \`${before}\``;
}

function outcomeOf({ outcome, killedBy = 'no test notices it', durationMs }: Verdict): string {
  const how = outcome === 'unreached' ? 'no test reaches it' : killedBy;
  return `${how} (${(durationMs / 1000).toFixed(0)} s)`;
}

function isSame(survivor: KnownSurvivor, { where, kind, before }: Mutant): boolean {
  return survivor.where === where && survivor.kind === kind && survivor.before === before;
}

function secondsSince(begin: number): string {
  return ((performance.now() - begin) / 1000).toFixed(0);
}

/** So many of them, the same for the same seed; all where `size` is 0. */
function sampled<T>(items: readonly T[], size: number, seed: number): T[] {
  const left = [...items];
  if (size === 0) return left;
  const picked: T[] = [];
  let state = seed >>> 0;
  while (picked.length < size && left.length > 0) {
    // A linear congruential generator (Numerical Recipes) is random enough to choose by.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    picked.push(...left.splice(Math.floor((state / 2 ** 32) * left.length), 1));
  }
  return picked;
}
