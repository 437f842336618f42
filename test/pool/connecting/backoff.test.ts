import { Backoff } from '../../../src/pool/connecting/backoff.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import test from '../../helpers/sanitary.js';

/** How long the pauses are after so many failures in a row. */
function pausesOf(failures: number, chance: () => number): number[] {
  const clock = new FakeClock(chance);
  const pauses: number[] = [];
  let startedMs = 0;
  const backoff = new Backoff(clock, () => pauses.push(clock.nowMs - startedMs));
  for (let failure = 0; failure < failures; failure++) {
    startedMs = clock.nowMs;
    backoff.onFailure();
    clock.advance(10_000);
  }
  return pauses;
}

test('each pause is twice as long as the one before, up to five seconds', (t) => {
  t.deepEqual(
    pausesOf(8, () => 0),
    [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000],
  );
});

test('chance makes a pause shorter by a half at most', (t) => {
  t.deepEqual(
    pausesOf(3, () => 0.999_999),
    [51, 101, 201],
  );
  t.deepEqual(
    pausesOf(3, () => 0.5),
    [75, 150, 300],
  );
});

test('a thousand failures in a row do not make the pause longer, or no number', (t) => {
  t.is(pausesOf(1_100, () => 0).at(-1), 5_000);
});

test('failures within a pause are counted, and do not begin another', (t) => {
  const clock = new FakeClock();
  let over = 0;
  const backoff = new Backoff(clock, () => (over += 1));
  backoff.onFailure();
  backoff.onFailure();
  backoff.onFailure();
  t.true(backoff.pausing);
  t.is(clock.pending, 1);
  clock.advance(100);
  t.is(over, 1);
  t.false(backoff.pausing);
  backoff.onFailure();
  clock.advance(799);
  t.is(over, 1, 'the fourth in a row');
  clock.advance(1);
  t.is(over, 2);
});

test('a pause may be asked to be longer', (t) => {
  const clock = new FakeClock();
  const backoff = new Backoff(clock, () => {});
  backoff.onFailure(1_000);
  clock.advance(999);
  t.true(backoff.pausing);
  clock.advance(1);
  t.false(backoff.pausing);
});

test('success ends the pause without a word, and the next failure is the first', (t) => {
  const clock = new FakeClock();
  let over = 0;
  const backoff = new Backoff(clock, () => (over += 1));
  for (let failure = 0; failure < 5; failure++) backoff.onFailure();
  backoff.reset();
  t.false(backoff.pausing);
  t.is(clock.pending, 0);
  backoff.onFailure();
  clock.advance(100);
  t.is(over, 1);
});
