import { CachedClock } from '../src/clock.js';
import { FakeClock } from './helpers/fake-clock.js';
import test from './helpers/sanitary.js';

function setUp() {
  const clock = new FakeClock();
  const ends: number[] = [];
  const turn = new CachedClock(clock, (nowMs) => void ends.push(nowMs));
  return { clock, ends, turn };
}

test('the time stands still within a turn, and goes on with the next', (t) => {
  const { clock, turn } = setUp();
  t.is(turn.time().ms, 1_000);
  clock.nowMs += 30;
  t.is(turn.time().ms, 1_000);
  clock.endTurn();
  t.is(turn.time().ms, 1_030);
  turn.stop();
});

test('the time of a turn becomes the time of its end', (t) => {
  const { clock, ends, turn } = setUp();
  const time = turn.time();
  t.is(turn.time(), time, 'one object for all of the turn');
  clock.nowMs += 7;
  t.is(time.ms, 1_000);
  clock.endTurn();
  t.is(time.ms, 1_007);
  clock.endTurn();
  t.deepEqual(ends, [1_007]);
  t.not(turn.time(), time);
  turn.stop();
});

test('a turn whose time was never read ends too', (t) => {
  const { clock, ends, turn } = setUp();
  turn.markBusy();
  turn.markBusy();
  clock.endTurn();
  t.deepEqual(ends, [1_000]);
});

test('a turn can end before its end, once', (t) => {
  const { clock, ends, turn } = setUp();
  const time = turn.time();
  clock.nowMs += 5;
  turn.end();
  t.deepEqual([ends, time.ms], [[1_005], 1_005]);
  clock.nowMs += 5;
  clock.endTurn();
  t.deepEqual([ends, time.ms], [[1_005], 1_005]);
});

test('a turn that is stopped does not end', (t) => {
  const { clock, ends, turn } = setUp();
  turn.time();
  turn.stop();
  clock.nowMs += 5;
  clock.endTurn();
  t.deepEqual(ends, []);
  t.is(turn.time().ms, 1_005);
  turn.stop();
});
