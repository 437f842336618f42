/**
 * Shows that the tests notice changes: `npm run test:mutations -- [--sample 100] [--seed 1] [--only PART]
 * [--report FILE]`.
 *
 * Puts mutants into copies of the build, one at a time, and runs the tests of the file, then those that
 * import it, then those of its area, until one fails. Ends with 1 where fewer than nine mutants of ten are
 * noticed. A sample of 100 takes some 20 minutes on two cores; `--sample 0` takes all of them, which is a
 * matter of days.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { replaceSection } from '../helpers/markdown.js';
import { MutableCopy, ROOT } from './copy.js';
import { mutantsOf, type Mutant } from './mutants.js';
import { Selection } from './selection.js';
import { KNOWN_SURVIVORS, type KnownSurvivor } from './survivors.js';

const FOLDERS = ['src/pool', 'src/negotiation'];
const WANTED_SHARE = 0.9;
const STAGE_LIMIT_MS = 300_000;

interface Verdict {
  readonly mutant: Mutant;
  /** The test that noticed it. */
  readonly killedBy?: string | undefined;
  /** Why no test needs to. */
  readonly known?: KnownSurvivor | undefined;
}

const { values } = parseArgs({
  options: {
    sample: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    copies: { type: 'string', default: '1' },
    report: { type: 'string' },
  },
});
const dist = join(ROOT, 'dist');
const all = FOLDERS.flatMap(filesOf).flatMap((file) =>
  mutantsOf(file, readFileSync(join(dist, file), 'utf8')),
);
const chosen = sampled(
  all.filter(({ file, where }) => `${file} ${where}`.includes(values.only)),
  Number(values.sample),
  Number(values.seed),
);
const selection = new Selection(dist);
const verdicts: Verdict[] = [];
const waiting = [...chosen];
await Promise.all(Array.from({ length: Number(values.copies) }, (_, index) => work(index)));
report();

async function work(index: number): Promise<void> {
  const copy = new MutableCopy(index);
  try {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const known = KNOWN_SURVIVORS.find((each) => isSame(each, mutant));
      const verdict = {
        mutant,
        known,
        killedBy: known === undefined ? await killerOf(copy, mutant) : undefined,
      };
      verdicts.push(verdict);
      console.log(`${verdicts.length}/${chosen.length} ${describe(mutant)}: ${outcomeOf(verdict)}`);
    }
  } finally {
    copy.remove();
  }
}

async function killerOf(copy: MutableCopy, mutant: Mutant): Promise<string | undefined> {
  using _ = copy.plant(mutant);
  for (const stage of selection.stagesFor(mutant.file)) {
    const title = await copy.firstFailure(stage, STAGE_LIMIT_MS);
    if (title !== undefined) return title;
  }
  return undefined;
}

function report(): void {
  const killed = verdicts.filter(({ killedBy }) => killedBy !== undefined);
  const survivors = verdicts.filter(({ killedBy }) => killedBy === undefined);
  const share = killed.length / verdicts.length;
  const summary = `${killed.length} of ${verdicts.length} noticed (${(100 * share).toFixed(1)} %), out of ${all.length} possible; seed ${values.seed}`;
  console.log(summary);
  for (const { mutant, known } of survivors)
    console.log(`  ${describe(mutant)}${known ? `: ${known.reason}` : ''}`);
  if (values.report !== undefined) {
    const rows = survivors.map(
      ({ mutant, known }) => `- ${describe(mutant)}: ${known?.reason ?? 'not explained yet'}`,
    );
    replaceSection(
      values.report,
      'mutations',
      `\n${summary}. Those that no test notices:\n\n${rows.join('\n')}\n`,
    );
  }
  process.exitCode = share >= WANTED_SHARE ? 0 : 1;
}

function describe({ file, where, kind, before }: Mutant): string {
  return `\`${file.replace(/\.js$/, '.ts')}\`, ${where}: ${kind} in \`${before}\``;
}

function outcomeOf({ killedBy, known }: Verdict): string {
  return killedBy ?? (known ? `known: ${known.reason}` : 'SURVIVED');
}

function isSame(survivor: KnownSurvivor, { where, kind, before }: Mutant): boolean {
  return survivor.where === where && survivor.kind === kind && survivor.before === before;
}

function filesOf(folder: string): string[] {
  return readdirSync(join(dist, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.js'))
    .map((name) => `${folder}/${name}`)
    .toSorted();
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
