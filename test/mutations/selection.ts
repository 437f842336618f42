/** Selects the tests that are run against a mutant, and their order. */
import { importsOf } from './files.js';
import type { Mutant } from './mutants.js';

/** Tests that need other tools, that run for hours, or that import those of other files. */
const LEFT_OUT = /^test\/(?:interop|bundles|mutations|together)\//;

export function isAsked(test: string): boolean {
  return test.endsWith('.test.js') && !LEFT_OUT.test(test);
}

/** A mutant that so many tests near its code do not notice is one that the tests let pass. */
export const MOST_ASKED = 24;

/**
 * The test files in the order in which they are asked about a mutant: those of its file, those that import the
 * file, those of its part of the source, the others; among equals the fastest, as far as durations are known.
 */
export function nearestFirst(
  { file }: Pick<Mutant, 'file'>,
  tests: readonly string[],
  durationOf: (test: string) => number | undefined,
): string[] {
  const unit = file.replace(/^src\//, 'test/').replace(/\.js$/, '.');
  const part = `${unit.split('/').slice(0, 2).join('/')}/`;
  const distance = (test: string): number => {
    if (test.startsWith(unit)) return 0;
    if (importsOf(test).has(file)) return 1;
    return test.startsWith(part) ? 2 : 3;
  };
  return tests
    .map((test) => ({ test, distance: distance(test), durationMs: durationOf(test) ?? Infinity }))
    .toSorted((a, b) => a.distance - b.distance || compare(a.durationMs, b.durationMs))
    .map(({ test }) => test);
}

function compare(one: number, other: number): number {
  return one === other ? 0 : one - other;
}

/** Most tests that one process of the runner is given. */
const LARGEST_GROUP = 8;

/**
 * How many tests the next process of the runner is given, after `asked` before. Most mutants are noticed by one
 * of the first tests; for the others each start of the runner costs as much as a short test.
 */
export function nextGroupSize(asked: number): number {
  return Math.min(Math.max(1, asked), LARGEST_GROUP, MOST_ASKED - asked);
}
