/**
 * Shows that the tests notice changes: `npm run test:mutations -- [--sample 100] [--seed 1]
 * [--only PART,PART] [--copies 2] [--minutes 90] [--report FILE]`.
 *
 * Puts mutants into copies of the build, one at a time in each, and runs the nearest tests that reach the
 * place until one fails. Which code a test file runs is found out when it is first asked, and kept for the next
 * run. Ends with 1 where fewer than nine mutants of ten are noticed. `--sample 0` takes all of them. After
 * `--minutes` it begins no further mutant: those that it has judged are a random sample, too.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { replaceSection } from '../helpers/markdown.js';
import { MutableCopy, type TestRun } from './copy.js';
import { CoverageTaker, reaches, type TestCoverage } from './coverage.js';
import { compiledFilesOf, readCompiled } from './files.js';
import { mutantsOf, type Mutant } from './mutants.js';
import { isAsked, nearestFirst, nextGroupSize } from './selection.js';
import { isSame, KNOWN_SURVIVORS } from './survivors.js';

const WANTED_SHARE = 0.9;
/**
 * How long test files may run with a mutant in one of them: the longest one several times as long as without,
 * and so much more.
 */
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
    minutes: { type: 'string', default: 'Infinity' },
    copies: { type: 'string', default: String(availableParallelism()) },
    report: { type: 'string' },
  },
});
const endMs = performance.now() + Number(values.minutes) * 60_000;
const parts = values.only.split(',');
const possible = compiledFilesOf('src')
  .filter((file) => !file.startsWith('src/wire/gen/'))
  .flatMap((file) => mutantsOf(file, readCompiled(file)))
  .filter(({ file, where }) => parts.some((part) => `${file} ${where}`.includes(part)));
const sample = sampled(possible, Number(values.sample), Number(values.seed));
const counted = sample.filter((mutant) => !KNOWN_SURVIVORS.some((each) => isSame(each, mutant)));

const copies = Array.from({ length: Number(values.copies) }, (_, index) => new MutableCopy(index));
const tests = compiledFilesOf('test').filter(isAsked);
const coverage = new CoverageTaker();
const verdicts: Verdict[] = [];
try {
  await inCopies(counted, async (copy, mutant) => {
    if (performance.now() >= endMs) return;
    const verdict = await judge(copy, mutant);
    verdicts.push(verdict);
    console.log(`${verdicts.length}/${counted.length} ${describe(mutant)}: ${outcomeOf(verdict)}`);
  });
} finally {
  for (const copy of copies) copy.remove();
}
report();

async function judge(copy: MutableCopy, mutant: Mutant): Promise<Verdict> {
  const begin = performance.now();
  const candidates = nearestFirst(mutant, tests, (test) => coverage.durationOf(test));
  let asked = 0;
  for (;;) {
    const group = await nextGroup(copy, mutant, candidates, nextGroupSize(asked));
    if (group.length === 0) break;
    asked += group.length;
    const killer = await ask(copy, mutant, group);
    if (killer !== undefined) return { ...killer, mutant, durationMs: performance.now() - begin };
  }
  return { mutant, outcome: asked === 0 ? 'unreached' : 'survived', durationMs: performance.now() - begin };
}

/** Takes the next tests that reach a mutant off the candidates. */
async function nextGroup(
  copy: MutableCopy,
  { file, reachedAt }: Mutant,
  candidates: string[],
  size: number,
): Promise<TestCoverage[]> {
  const group: TestCoverage[] = [];
  while (group.length < size) {
    const test = candidates.shift();
    if (test === undefined) break;
    const taken = await coverage.of(test, copy);
    if (!taken.isBroken && reaches(taken, file, reachedAt)) group.push(taken);
  }
  return group;
}

/** Runs tests with a mutant. Returns the first one that notices it. */
async function ask(
  copy: MutableCopy,
  mutant: Mutant,
  group: readonly TestCoverage[],
): Promise<Pick<Verdict, 'outcome' | 'killedBy'> | undefined> {
  const files = group.map(({ test }) => test);
  const limitMs = limitOf(group);
  const { failure, isLate } = await runWith(copy, mutant, files, limitMs);
  if (failure === undefined) return undefined;
  // On a machine that is busy a test may fail without the mutant's doing.
  if ((await copy.run(files, limitMs)).failure === undefined)
    return { outcome: isLate ? 'late' : 'killed', killedBy: failure };
  if (group.length === 1) return undefined;
  // Those behind the test that failed have not run.
  for (const each of group) {
    const killer = await ask(copy, mutant, [each]);
    if (killer !== undefined) return killer;
  }
  return undefined;
}

function limitOf(group: readonly TestCoverage[]): number {
  const durations = group.map(({ durationMs }) => durationMs);
  const total = durations.reduce((sum, each) => sum + each, 0);
  return total + (LIMIT_FACTOR - 1) * Math.max(...durations) + LIMIT_ADDED_MS;
}

async function runWith(
  copy: MutableCopy,
  mutant: Mutant,
  files: readonly string[],
  limitMs: number,
): Promise<TestRun> {
  using _ = copy.plant(mutant);
  return await copy.run(files, limitMs);
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
  const judged = new Set(verdicts.map(({ mutant }) => mutant));
  const last = sample.findLastIndex((mutant) => judged.has(mutant));
  const known = sample
    .slice(0, last + 1)
    .flatMap((mutant) => KNOWN_SURVIVORS.filter((each) => isSame(each, mutant)));
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
      `\nWritten by \`npm run test:mutations -- --only ${values.only} --seed ${values.seed} --report …\`: ${summary}. ` +
        `Those that no test notices:\n\n${rows.join('\n')}\n`,
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

/** A sample of `size` of them, the same for the same seed; all where `size` is 0. */
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
