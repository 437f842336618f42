import test from '../helpers/sanitary.js';
import { reaches } from './coverage.js';
import { isAsked, MOST_ASKED, nearestFirst, nextGroupSize } from './selection.js';

const FILE = 'src/wire/frame.js';

test("a mutant is shown to its file's own tests first, then to importers, to its part, to the others", (t) => {
  const durations = new Map([
    ['test/wire/frame.splits.test.js', 5_000],
    ['test/wire/codec.test.js', 200],
    ['test/wire/golden-sessions.test.js', 900],
    ['test/clock.test.js', 100],
    ['test/endpoint.test.js', 50],
  ]);
  const order = nearestFirst({ file: FILE }, [...durations.keys(), 'test/fifo.test.js'], (name) =>
    durations.get(name),
  );
  t.deepEqual(order, [
    'test/wire/frame.splits.test.js',
    // It imports the frames: the build is read.
    'test/wire/golden-sessions.test.js',
    'test/wire/codec.test.js',
    'test/endpoint.test.js',
    'test/clock.test.js',
    'test/fifo.test.js',
  ]);
});

test('a test reaches the places that its coverage names, and no others', (t) => {
  const coverage = { reached: { [FILE]: [10, 20, 30, 40] } };
  for (const [place, isReached] of [
    [9, false],
    [10, true],
    [19, true],
    [20, false],
    [35, true],
    [40, false],
  ] as const)
    t.is(reaches(coverage, FILE, place), isReached, String(place));
  t.false(reaches(coverage, 'src/wire/codec.js', 10));
});

test('tests are asked in groups that grow up to eight, and no more of them than are to be asked', (t) => {
  const sizes: number[] = [];
  let asked = 0;
  for (let size = nextGroupSize(asked); size > 0; size = nextGroupSize(asked)) {
    sizes.push(size);
    asked += size;
  }
  t.deepEqual(sizes, [1, 1, 2, 4, 8, 8]);
  t.is(asked, MOST_ASKED);
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
