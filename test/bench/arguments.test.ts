import { parseBenchArguments, selectByName } from '../../bench/harness/arguments.js';
import { cases } from '../../bench/cases/index.js';
import test from '../helpers/sanitary.js';

test('words are filters, and without options all has its default', (t) => {
  t.deepEqual(parseBenchArguments(['growth', 'end']), {
    filters: ['growth', 'end'],
    real: false,
    rounds: 7,
    table: undefined,
    list: false,
    json: false,
    compare: undefined,
    bound: Infinity,
    against: undefined,
    node: undefined,
    quietCheck: false,
    pictures: undefined,
    help: false,
  });
});

test('options may stand before and behind the filters', (t) => {
  t.like(parseBenchArguments(['--rounds', '9', 'growth', '--json', '--compare=old.json', '--real']), {
    filters: ['growth'],
    rounds: 9,
    json: true,
    compare: 'old.json',
    real: true,
  });
});

for (const rounds of ['0', '-1', '2.5', 'many', '1001', '']) {
  test(`--rounds=${rounds} is refused by its name`, (t) => {
    t.throws(() => parseBenchArguments([`--rounds=${rounds}`]), {
      message: /--rounds must be a whole number from 1 to 1000/,
    });
  });
}

for (const bound of ['1', '0.5', 'much', '']) {
  test(`--bound=${bound} is refused by its name`, (t) => {
    t.throws(() => parseBenchArguments([`--bound=${bound}`]), {
      message: /--bound must be a number above 1/,
    });
  });
}

test('an option that does not exist is refused', (t) => {
  t.throws(() => parseBenchArguments(['--round', '3']), { message: /--round/ });
});

const ITEMS = [{ name: 'connect-latency' }, { name: 'busy-loop' }, { name: 'idle-connections' }];

test('a filter takes every name that contains it, in the order of the list', (t) => {
  t.deepEqual(selectByName(ITEMS, ['idle', 'connect']), [
    { name: 'connect-latency' },
    { name: 'idle-connections' },
  ]);
  t.deepEqual(selectByName(ITEMS, []), ITEMS);
});

test('a filter that fits nothing is an error that lists what there is', (t) => {
  t.throws(() => selectByName(ITEMS, ['busy', 'latncy']), {
    message: /"latncy".*connect-latency, busy-loop, idle-connections/,
  });
});

test('every case has a name of its own, a question and a budget, and all together stay below twelve minutes', (t) => {
  t.is(new Set(cases.map(({ name }) => name)).size, cases.length);
  for (const { question } of cases) t.true(question.endsWith('?'), question);
  t.true(cases.reduce((sum, { budgetMs }) => sum + budgetMs, 0) <= 720_000);
});

test('another build is named by its folder, and words then choose among the rows of the comparison', (t) => {
  t.like(parseBenchArguments(['--against', '../old', 'Hello-skip']), {
    against: '../old',
    filters: ['Hello-skip'],
  });
});
