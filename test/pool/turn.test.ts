import { Turn } from '../../src/pool/turn.js';
import { FakeClock } from '../helpers/fake-clock.js';
import test from '../helpers/sanitary.js';

function setUp() {
  const clock = new FakeClock();
  const ends: (readonly [number | undefined, number])[] = [];
  const turn = new Turn(clock, (startedMs, nowMs) => ends.push([startedMs, nowMs]));
  return { clock, ends, turn };
}

test('the time stands still within a turn, and goes on with the next', (t) => {
  const { clock, turn } = setUp();
  t.is(turn.now(), 1_000);
  clock.nowMs += 30;
  t.is(turn.now(), 1_000);
  clock.endTurn();
  t.is(turn.now(), 1_030);
  turn.stop();
});

test('the end of a turn tells when it began and when it ended', (t) => {
  const { clock, ends, turn } = setUp();
  turn.now();
  clock.nowMs += 7;
  clock.endTurn();
  clock.endTurn();
  t.deepEqual(ends, [[1_000, 1_007]]);
});

test('a turn in which nobody asked for the time can end too', (t) => {
  const { clock, ends, turn } = setUp();
  turn.markBusy();
  turn.markBusy();
  clock.endTurn();
  t.deepEqual(ends, [[undefined, 1_000]]);
});

test('a turn can end before its end, once', (t) => {
  const { clock, ends, turn } = setUp();
  turn.endNow();
  t.deepEqual(ends, [], 'it had not begun');
  turn.now();
  clock.nowMs += 5;
  turn.endNow();
  t.deepEqual(ends, [[1_000, 1_005]]);
  t.is(turn.now(), 1_005);
  clock.endTurn();
  t.deepEqual(ends, [[1_000, 1_005], [1_005, 1_005]]);
});

test('a turn that is stopped does not end', (t) => {
  const { clock, ends, turn } = setUp();
  turn.now();
  turn.stop();
  clock.nowMs += 5;
  clock.endTurn();
  t.deepEqual(ends, []);
  t.is(turn.now(), 1_005);
  turn.stop();
});
