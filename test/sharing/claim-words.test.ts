import { ClaimWords } from '../../src/sharing/claim-words.js';
import test from '../helpers/sanitary.js';

function bothSides(): { thread: ClaimWords; pool: ClaimWords } {
  const pool = new ClaimWords();
  return { pool, thread: new ClaimWords(pool.memory) };
}

test('only the first of two sides takes a connection that was given back', (t) => {
  const { pool, thread } = bothSides();
  const first = thread.offer(0);
  t.true(thread.isOffered(first));
  t.true(pool.take(first));
  t.false(thread.isOffered(first));
  t.false(thread.take(first));
  const second = thread.offer(first);
  t.true(thread.take(second));
  t.false(pool.take(second));
});

test('the pool does not take a connection by the turn of an earlier release', (t) => {
  const { pool, thread } = bothSides();
  const first = thread.offer(0);
  t.true(thread.take(first));
  const second = thread.offer(first);
  t.false(pool.take(first));
  t.true(thread.isOffered(second));
});

test('a connection that was never given back is not offered', (t) => {
  t.false(bothSides().thread.isOffered(0));
});

test('the pool allows as many turns as it says, 16 at most', (t) => {
  const { pool, thread } = bothSides();
  t.false(thread.isAllowed(1));
  pool.allow(0, 2);
  t.deepEqual(
    [1, 2, 3].map((turn) => thread.isAllowed(turn)),
    [true, true, false],
  );
  pool.allow(100, Infinity);
  t.true(thread.isAllowed(116));
  t.false(thread.isAllowed(117));
  pool.allow(100, 0);
  t.false(thread.isAllowed(101));
});

test('a claim that the pool forbids is forbidden for a thread that is 16 turns ahead, too', (t) => {
  const { pool, thread } = bothSides();
  pool.allow(50, Infinity);
  pool.forbid(50);
  for (const turn of [50, 51, 66]) t.false(thread.isAllowed(turn), String(turn));
});

test('the turn after the last number is 1', (t) => {
  const { pool, thread } = bothSides();
  const turn = thread.offer(2 ** 31 - 1);
  t.is(turn, 1);
  pool.allow(2 ** 31 - 1, Infinity);
  t.false(thread.isAllowed(turn), 'that turn goes through a message');
  pool.allow(turn, Infinity);
  t.true(thread.isAllowed(2));
});
