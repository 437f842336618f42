import { deepStrictEqual } from 'node:assert/strict';
import * as fc from 'fast-check';
import {
  FUTURE_TOLERANCE_MS,
  compareAnswers,
  mergeAnswers,
  type Answer,
  type Answers,
} from '../../src/endpoint-cache/answers.js';
import test from '../helpers/sanitary.js';

function answer(atMs: number, endpoint: string, forgotten = false): Answer {
  return { endpoint, atMs, forgotten };
}

/** Few values, so that ties are common. */
const anyAnswer: fc.Arbitrary<Answer> = fc.record(
  { atMs: fc.integer({ min: 0, max: 3 }), endpoint: fc.constantFrom('/a', '/b'), forgotten: fc.boolean() },
  { noNullPrototype: true },
);
const merge = (one: Answers, other: Answers): Answers => mergeAnswers(one, other, 3);
const anyAnswers: fc.Arbitrary<Answers> = fc
  .dictionary(fc.constantFrom('x', 'y', 'z'), anyAnswer)
  .map((record) => new Map(Object.entries(record)));

/** The answers of two processes, and the winner. */
const TABLE: readonly (readonly [title: string, one: Answer, other: Answer, winner: Answer])[] = [
  ['the later answer', answer(1, '/old'), answer(2, '/new'), answer(2, '/new')],
  [
    'a newer answer against the failure of an older one',
    answer(1, '/old', true),
    answer(2, '/new'),
    answer(2, '/new'),
  ],
  [
    'a newer answer against the failure of an older one of the same name',
    answer(1, '/same', true),
    answer(2, '/same'),
    answer(2, '/same'),
  ],
  [
    'a failure against the very answer it belongs to',
    answer(1, '/same'),
    answer(1, '/same', true),
    answer(1, '/same', true),
  ],
  [
    'the failure of a newer answer against an older answer',
    answer(1, '/old'),
    answer(2, '/new', true),
    answer(2, '/new', true),
  ],
  ['the greater endpoint of two of the same moment', answer(1, '/a'), answer(1, '/b'), answer(1, '/b')],
  [
    'the greater endpoint of two of the same moment, though the smaller one has failed',
    answer(1, '/a', true),
    answer(1, '/b'),
    answer(1, '/b'),
  ],
];

for (const [title, one, other, winner] of TABLE) {
  test(`the winner is ${title}`, (t) => {
    t.deepEqual(mergeAnswers(new Map([['x', one]]), new Map([['x', other]]), 10).get('x'), winner);
    t.deepEqual(mergeAnswers(new Map([['x', other]]), new Map([['x', one]]), 10).get('x'), winner);
  });
}

test('merging is commutative, associative and idempotent', (t) => {
  t.notThrows(() => {
    fc.assert(
      fc.property(anyAnswers, anyAnswers, anyAnswers, (a, b, c) => {
        deepStrictEqual(sorted(merge(a, b)), sorted(merge(b, a)));
        deepStrictEqual(sorted(merge(merge(a, b), c)), sorted(merge(a, merge(b, c))));
        deepStrictEqual(sorted(merge(a, a)), sorted(a));
        deepStrictEqual(sorted(merge(merge(a, b), b)), sorted(merge(a, b)));
      }),
    );
  });
});

test('merging keeps all targets, and changes neither of its inputs', (t) => {
  t.notThrows(() => {
    fc.assert(
      fc.property(anyAnswers, anyAnswers, (a, b) => {
        const before = [sorted(a), sorted(b)];
        const merged = merge(a, b);
        deepStrictEqual([...merged.keys()].toSorted(), [...new Set([...a.keys(), ...b.keys()])].toSorted());
        for (const [key, value] of merged) deepStrictEqual([a.get(key), b.get(key)].includes(value), true);
        deepStrictEqual([sorted(a), sorted(b)], before);
      }),
    );
  });
});

test('answers that compare as equal are the same', (t) => {
  t.notThrows(() => {
    fc.assert(
      fc.property(anyAnswer, anyAnswer, (a, b) => {
        deepStrictEqual(Math.sign(compareAnswers(a, b)) + Math.sign(compareAnswers(b, a)), 0);
        if (compareAnswers(a, b) === 0) deepStrictEqual(a, b);
      }),
    );
  });
});

test('an answer from further ahead than the tolerance does not win', (t) => {
  const near = answer(1_000 + FUTURE_TOLERANCE_MS, '/near');
  const far = answer(1_001 + FUTURE_TOLERANCE_MS, '/far');
  const [ours, theirs] = [
    new Map([['x', near]]),
    new Map([
      ['x', far],
      ['y', far],
    ]),
  ];
  t.deepEqual(mergeAnswers(ours, theirs, 1_000), ours);
  t.deepEqual(mergeAnswers(theirs, ours, 1_000), ours);
});

function sorted(answers: Answers): (readonly [string, Answer])[] {
  return [...answers].toSorted(([a], [b]) => (a < b ? -1 : 1));
}
