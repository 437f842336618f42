/** Which tests are asked whether they notice a mutant, the likeliest and fastest first. */
import { reaches, type TestCoverage } from './coverage.js';
import { importsOf } from './files.js';
import type { Mutant } from './mutants.js';

/** Tests that need other tools, that run for hours, or that import those of other files. */
const LEFT_OUT = /^test\/(?:interop|bundles|mutations|together)\//;

export function isAsked(test: string): boolean {
  return test.endsWith('.test.js') && !LEFT_OUT.test(test);
}

/** A mutant that so many tests near its code do not notice is one that the tests let pass. */
const MOST_ASKED = 40;

/** The tests that run the mutant's code: those of its file, those that import the file, the others. */
export function testsFor({ file, start }: Mutant, tests: readonly TestCoverage[]): TestCoverage[] {
  const unit = file.replace(/^src\//, 'test/').replace(/\.js$/, '.');
  const distance = ({ test }: TestCoverage): number => {
    if (test.startsWith(unit)) return 0;
    return importsOf(test).has(file) ? 1 : 2;
  };
  return tests
    .filter((coverage) => reaches(coverage, file, start))
    .map((coverage) => ({ coverage, distance: distance(coverage) }))
    .toSorted((a, b) => a.distance - b.distance || a.coverage.durationMs - b.coverage.durationMs)
    .slice(0, MOST_ASKED)
    .map(({ coverage }) => coverage);
}

/** Most tests that one process of the runner is given. */
const LARGEST_GROUP = 8;

/**
 * The tests in their order, in growing groups: most mutants are noticed by one of the first tests, and for the
 * others each start of the runner costs as much as a short test.
 */
export function inGroups<T>(tests: readonly T[]): T[][] {
  const groups: T[][] = [];
  for (let taken = 0; taken < tests.length;) {
    const size = Math.min(Math.max(1, taken), LARGEST_GROUP);
    groups.push(tests.slice(taken, taken + size));
    taken += size;
  }
  return groups;
}
