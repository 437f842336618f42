import { alternate, rotated, type RoundsContext } from '../../bench/harness/rounds.js';
import test from '../helpers/sanitary.js';

function context(rounds: number): RoundsContext {
  return { rounds, progress: () => {} };
}

const CONTENDERS = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];

test('each contender gets one turn a round, and each round begins with another', async (t) => {
  const turns: string[] = [];
  const results = await alternate(context(4), 'test', CONTENDERS, 60_000, async ({ name }) =>
    turns.push(name),
  );
  t.is(turns.join(''), 'abcbcacababc');
  t.deepEqual(
    [...results],
    [
      ['a', [1, 6, 8, 10]],
      ['b', [2, 4, 9, 11]],
      ['c', [3, 5, 7, 12]],
    ],
  );
});

/** How many rounds are made when the budget is used up from the beginning. */
async function roundsWithoutTime(wanted: RoundsContext): Promise<number[]> {
  const results = await alternate(wanted, 'test', CONTENDERS, -1, async () => 1);
  return [...results.values()].map(({ length }) => length);
}

test('no time left ends the rounds after the seventh', async (t) => {
  t.deepEqual(await roundsWithoutTime(context(10)), [7, 7, 7]);
});

test('fewer rounds than seven are made where fewer were asked for, or are enough', async (t) => {
  t.deepEqual(await roundsWithoutTime(context(2)), [2, 2, 2]);
  t.deepEqual(await roundsWithoutTime({ ...context(10), fewest: 3 }), [3, 3, 3]);
});

test('a turn that fails ends the bench: its figure must not be missing in silence', async (t) => {
  const turn = async ({ name }: { name: string }): Promise<number> => {
    if (name === 'b') throw new Error('no connection');
    return 1;
  };
  await t.throwsAsync(alternate(context(3), 'test', CONTENDERS, 60_000, turn), { message: 'no connection' });
});

test('turning a list round keeps all of it', (t) => {
  t.deepEqual(rotated([1, 2, 3], 4), [2, 3, 1]);
  t.deepEqual(rotated([], 4), []);
});
