import { deepStrictEqual } from 'node:assert/strict';
import * as fc from 'fast-check';
import {
  LONGEST_FILE_BYTES,
  decodeAnswers,
  encodeAnswers,
  isStorable,
  type Answer,
  type Answers,
} from '../../src/endpoint-cache/answers.js';
import { targetKey } from '../../src/target.js';
import { PIPE_PREFIX } from '../../src/endpoint.js';
import test from '../helpers/sanitary.js';
import { onWindows } from '../helpers/test-where.js';

const ROOT = process.platform === 'win32' ? PIPE_PREFIX : '/run/';

const endpoint = fc
  .string({ minLength: 1, maxLength: 20, unit: 'grapheme' })
  // Windows reads each slash of a pipe's name as a backslash, and such parts as steps.
  .filter((name) => !(onWindows ? /[\0\\/]|^\.\.?$/ : /\0/).test(name))
  .map((name) => ROOT + name);
const key = fc
  .record({
    brokerEndpoint: endpoint,
    serviceName: fc.stringMatching(/^[a-z0-9-]{1,8}$/),
    wantedVersion: fc.constantFrom('1.2.3', '0.0.1-rc.1'),
  })
  .map(targetKey);
const answer: fc.Arbitrary<Answer> = fc.record(
  { endpoint, atMs: fc.maxSafeNat(), forgotten: fc.boolean() },
  { noNullPrototype: true },
);
const answers: fc.Arbitrary<Answers> = fc
  .array(fc.tuple(key, answer), { maxLength: 20 })
  .map((entries) => new Map(entries));

const TARGET = `demo 1.0.0 ${ROOT}broker`;
const GOOD = { target: TARGET, endpoint: `${ROOT}backend`, atMs: 5 };

function fileOf(...items: readonly unknown[]): string {
  return JSON.stringify({ version: 1, answers: items });
}

test('written answers are read again, names of any letters included', (t) => {
  t.notThrows(() => {
    fc.assert(
      fc.property(answers, (known) => {
        const decoded = decodeAnswers(encodeAnswers(known, Infinity).text);
        deepStrictEqual(new Map(decoded.answers), new Map(known));
        deepStrictEqual(decoded.problem, undefined);
      }),
    );
  });
});

if (process.platform === 'linux') {
  test('abstract names are read again', (t) => {
    const known = new Map([['demo 1.0.0 \0broker', { endpoint: '\0backend', atMs: 1, forgotten: false }]]);
    t.deepEqual(decodeAnswers(encodeAnswers(known, 1).text), { answers: known });
  });
}

test('the file looks as documented', (t) => {
  const known = new Map([
    [TARGET, { endpoint: `${ROOT}backend`, atMs: 5, forgotten: false }],
    [`other 1.0.0 ${ROOT}broker`, { endpoint: `${ROOT}other`, atMs: 6, forgotten: true }],
  ]);
  const other = JSON.stringify({
    target: `other 1.0.0 ${ROOT}broker`,
    endpoint: `${ROOT}other`,
    atMs: 6,
    forgotten: true,
  });
  t.is(encodeAnswers(known, 2).text, `{"version":1,"answers":[\n${other},\n${JSON.stringify(GOOD)}\n]}\n`);
});

test('the newest answers are written, and returned as kept', (t) => {
  const known = new Map(
    Array.from({ length: 5 }, (_, index) => [
      `s${index} 1.0.0 ${ROOT}b`,
      { endpoint: `${ROOT}e`, atMs: index, forgotten: false },
    ]),
  );
  const { text, kept } = encodeAnswers(known, 2);
  t.deepEqual([...kept.keys()], [`s4 1.0.0 ${ROOT}b`, `s3 1.0.0 ${ROOT}b`]);
  t.deepEqual(decodeAnswers(text).answers, kept);
});

test('the text is never longer than a file may be, whatever the maximum', (t) => {
  const long = `${ROOT}${'é'.repeat(30)}`;
  const known = new Map(
    Array.from({ length: 4_000 }, (_, index) => [
      `s${index} 1.0.0 ${long}`,
      { endpoint: long, atMs: index, forgotten: true },
    ]),
  );
  const { text, kept } = encodeAnswers(known, Infinity);
  t.true(kept.size > 1_000 && kept.size < 4_000);
  t.true(Buffer.byteLength(text) <= LONGEST_FILE_BYTES);
  t.is(decodeAnswers(text).answers.size, kept.size);
});

test('an empty file has no answers and no problem', (t) => {
  t.deepEqual(decodeAnswers(''), { answers: new Map() });
});

/** Files that hold nothing at all. */
const DAMAGED: Readonly<Record<string, string>> = {
  'no JSON': 'hello',
  'a cut-off file': encodeAnswers(new Map([[TARGET, { ...GOOD, forgotten: false }]]), 1).text.slice(0, -5),
  'NUL bytes, as after a power failure': '\0'.repeat(4_096),
  'a number': '1',
  null: 'null',
  'an array': '[]',
  'no version': '{"answers":[]}',
  'a version as text': '{"version":"1","answers":[]}',
  'version 0': '{"version":0,"answers":[]}',
  'a version that is no whole number': '{"version":1.5,"answers":[]}',
  'an endless version': '{"version":1e999,"answers":[]}',
  'no answers': '{"version":1}',
  'answers that are no array': '{"version":1,"answers":{"length":1,"0":{}}}',
  'a version by way of the prototype': '{"__proto__":{"version":1,"answers":[]}}',
  'arrays as deep as the limit allows': '['.repeat(LONGEST_FILE_BYTES),
  'closed arrays as deep as the limit allows': `{"version":1,"answers":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
  'objects as deep as the limit allows': '{"a":'.repeat(50_000),
  'as many nothings as the limit allows': `{"version":1,"answers":[${'0,'.repeat(120_000)}0]}`,
  'the longest string': JSON.stringify('x'.repeat(LONGEST_FILE_BYTES - 2)),
};

for (const [title, text] of Object.entries(DAMAGED)) {
  test(`${title} is corrupt`, (t) => {
    t.deepEqual(decodeAnswers(text), { answers: new Map(), problem: 'corrupt' });
  });
}

test('a higher version has no answers, and is reported as such', (t) => {
  t.deepEqual(decodeAnswers(JSON.stringify({ version: 2, answers: [GOOD] })), {
    answers: new Map(),
    problem: 'version',
  });
});

/** What is no answer, beside one that is. */
const NO_ANSWERS: readonly unknown[] = [
  null,
  0,
  'x',
  [],
  {},
  { ...GOOD, target: 1 },
  { ...GOOD, target: '' },
  { ...GOOD, target: 'demo' },
  { ...GOOD, target: `demo 1.0.0` },
  { ...GOOD, target: `Demo 1.0.0 ${ROOT}broker` },
  { ...GOOD, target: `demo 1.0 ${ROOT}broker` },
  { ...GOOD, target: `demo 1.0.0 ${ROOT}${'b'.repeat(300)}` },
  { ...GOOD, target: `${'d'.repeat(65)} 1.0.0 ${ROOT}broker` },
  { ...GOOD, endpoint: undefined },
  { ...GOOD, endpoint: '' },
  { ...GOOD, endpoint: 5 },
  { ...GOOD, endpoint: `${ROOT}${'b'.repeat(300)}` },
  { ...GOOD, endpoint: `${ROOT}nul\0inside` },
  ...(process.platform === 'win32'
    ? []
    : [
        { ...GOOD, target: 'demo 1.0.0 broker' },
        { ...GOOD, endpoint: 'relative' },
      ]),
  { ...GOOD, atMs: '5' },
  { ...GOOD, atMs: -1 },
  { ...GOOD, atMs: 0.5 },
  { ...GOOD, atMs: 2 ** 53 },
  { ...GOOD, atMs: undefined },
  { ...GOOD, forgotten: 'yes' },
  { ...GOOD, forgotten: 1 },
];

test('the whole answers of a damaged file are read', (t) => {
  const good = new Map([[TARGET, { endpoint: `${ROOT}backend`, atMs: 5, forgotten: false }]]);
  for (const item of NO_ANSWERS)
    t.deepEqual(
      decodeAnswers(fileOf(item, GOOD)),
      { answers: good, problem: 'corrupt' },
      JSON.stringify(item),
    );
  t.deepEqual(
    decodeAnswers(`{"version":1,"answers":[{"__proto__":${JSON.stringify(GOOD)}},${JSON.stringify(GOOD)}]}`),
    { answers: good, problem: 'corrupt' },
  );
});

test('the later of two answers about one target is read, and unknown fields are ignored', (t) => {
  const { answers: read, problem } = decodeAnswers(
    fileOf(GOOD, { ...GOOD, atMs: 7, forgotten: true, colour: 'red' }, { ...GOOD, atMs: 6 }),
  );
  t.deepEqual([...read.values()], [{ endpoint: `${ROOT}backend`, atMs: 7, forgotten: true }]);
  t.is(problem, undefined);
});

test('reading any text does not throw', (t) => {
  t.notThrows(() => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void decodeAnswers(text)));
    fc.assert(
      fc.property(
        fc.jsonValue(),
        (value) => void decodeAnswers(JSON.stringify({ version: 1, answers: [value] })),
      ),
    );
  });
});

test('reading changes no prototype', (t) => {
  decodeAnswers(
    '{"version":1,"__proto__":{"polluted":1},"answers":[{"__proto__":{"polluted":1}},{"constructor":{"prototype":{"polluted":1}}}]}',
  );
  t.false('polluted' in {});
});

test('fields of a prototype are not read', (t) => {
  Reflect.defineProperty(Object.prototype, 'forgotten', { value: true, configurable: true });
  const { answers: read } = decodeAnswers(fileOf(GOOD));
  Reflect.deleteProperty(Object.prototype, 'forgotten');
  t.deepEqual([...read.values()], [{ endpoint: `${ROOT}backend`, atMs: 5, forgotten: false }]);
});

test('an answer is storable only if it can be read again', (t) => {
  t.true(isStorable(TARGET, `${ROOT}backend`));
  for (const name of ['', 'a b', 'Demo 1.0.0 /b']) t.false(isStorable(name, `${ROOT}backend`), name);
  t.false(isStorable(TARGET, ''));
  t.false(isStorable(TARGET, `${ROOT}${'b'.repeat(300)}`));
});
