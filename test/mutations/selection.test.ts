import test from '../helpers/sanitary.js';
import type { TestCoverage } from './coverage.js';
import type { Mutant } from './mutants.js';
import { inGroups, isAsked, testsFor } from './selection.js';

const FILE = 'src/wire/codec.js';

function coverage(name: string, durationMs: number, places: readonly number[]): TestCoverage {
  return { test: `test/${name}.test.js`, durationMs, isBroken: false, reached: { [FILE]: places } };
}

function mutantAt(start: number): Mutant {
  return { file: FILE, where: '', kind: '', before: '', after: '', start, end: start + 1 };
}

test("a mutant is shown to its file's own tests first, then to importers, then to the others by duration", (t) => {
  const tests = [
    coverage('wire/messages', 900, [0, 100]),
    coverage('wire/golden', 300, [0, 100]),
    // It imports the codec: the build is read.
    coverage('wire/codec', 5_000, [0, 100]),
  ];
  t.deepEqual(
    testsFor(mutantAt(10), tests).map(({ test: name }) => name),
    ['test/wire/codec.test.js', 'test/wire/golden.test.js', 'test/wire/messages.test.js'],
  );
});

test('a mutant is shown only to tests that run the code at its place', (t) => {
  const tests = [coverage('wire/golden', 1, [10, 20, 30, 40]), coverage('wire/messages', 2, [])];
  for (const [place, isReached] of [
    [9, false],
    [10, true],
    [19, true],
    [20, false],
    [35, true],
    [40, false],
  ] as const)
    t.is(testsFor(mutantAt(place), tests).length, isReached ? 1 : 0, String(place));
});

test('tests that need other tools, and those that import other files, are not asked', (t) => {
  t.true(isAsked('test/wire/codec.test.js'));
  for (const file of [
    'test/interop/real.test.js',
    'test/bundles/all.test.js',
    'test/wire/golden.js',
    'test/together/wire.test.js',
  ])
    t.false(isAsked(file), file);
});

test('tests are asked in their order, in groups that grow up to eight', (t) => {
  const tests = Array.from({ length: 30 }, (_, index) => index);
  const groups = inGroups(tests);
  t.deepEqual(groups.flat(), tests);
  t.deepEqual(
    groups.map(({ length }) => length),
    [1, 1, 2, 4, 8, 8, 6],
  );
});
