/** Which tests are asked whether they notice a mutant, the likeliest and fastest first. */
import { reaches, type TestCoverage } from './coverage.js';
import { importsOf } from './files.js';
import type { Mutant } from './mutants.js';

/** Tests that need other tools, or that run for hours. */
const LEFT_OUT = /^test\/(?:interop|bundles|mutations)\//;

export function isAsked(test: string): boolean {
  return test.endsWith('.test.js') && !LEFT_OUT.test(test);
}

/** The tests that run the mutant's code: those of its file, those that import the file, the others. */
export function testsFor({ file, start }: Mutant, tests: readonly TestCoverage[]): TestCoverage[] {
  const unit = file.replace(/^src\//, 'test/').replace(/\.js$/, '.');
  const distance = ({ test }: TestCoverage): number => {
    if (test.startsWith(unit)) return 0;
    return importsOf(test).has(file) ? 1 : 2;
  };
  return tests
    .filter((each) => reaches(each, file, start))
    .map((each) => ({ each, distance: distance(each) }))
    .toSorted((one, other) => one.distance - other.distance || one.each.durationMs - other.each.durationMs)
    .map(({ each }) => each);
}
