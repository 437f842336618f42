import {
  burstWaitSeconds,
  capacityPerSecond,
  meanWaitSeconds,
  type Queue,
} from '../../bench/model/queueing.js';
import { randomNumbers, simulate } from '../../bench/model/simulation.js';
import test from '../helpers/sanitary.js';

const ONE: Queue = { servers: 1, serviceSeconds: 0.001 };
const EIGHT: Queue = { servers: 8, serviceSeconds: 0.001 };

function isAbout(value: number, expected: number, tolerance: number): boolean {
  return Math.abs(value - expected) <= tolerance * expected;
}

test('the mean wait for one server is that of Pollaczek and Khinchine', (t) => {
  t.true(isAbout(meanWaitSeconds(ONE, 500), 0.0005, 1e-9));
  t.true(isAbout(meanWaitSeconds(ONE, 900), 0.0045, 1e-9));
});

test('the mean wait is 0 without load, and infinite at saturation', (t) => {
  t.is(meanWaitSeconds(EIGHT, 0), 0);
  t.is(meanWaitSeconds(EIGHT, 8_000), Infinity);
  t.is(capacityPerSecond(EIGHT), 8_000);
});

for (const [name, queue] of [
  ['one server', ONE],
  ['eight servers', EIGHT],
] as const) {
  for (const load of [0.5, 0.8, 0.9]) {
    test(`formula and simulation agree: ${name}, load ${load}`, (t) => {
      const arrivalsPerSecond = load * capacityPerSecond(queue);
      const { meanWait } = simulate({ queue, arrivalsPerSecond, arrivals: 300_000, seed: 7 });
      t.true(isAbout(meanWait, meanWaitSeconds(queue, arrivalsPerSecond), 0.08), `${meanWait}`);
    });
  }
}

test('the same seed gives the same times, another one others', (t) => {
  const times = (seed: number) => simulate({ queue: ONE, arrivalsPerSecond: 700, arrivals: 1_000, seed });
  t.deepEqual(times(3), times(3));
  t.notDeepEqual(times(3), times(4));
});

test('random numbers are spread evenly below 1', (t) => {
  const random = randomNumbers(5);
  const numbers = Array.from({ length: 10_000 }, random);
  t.true(numbers.every((number) => number >= 0 && number < 1));
  t.true(isAbout(numbers.reduce((sum, number) => sum + number, 0) / numbers.length, 0.5, 0.02));
});

test('a late Hello costs the sleep where the queue was empty, and nothing where the wait was longer', (t) => {
  const lateHello = { afterSeconds: 0.0002, sleepSeconds: 0.005 };
  const idle = simulate({ queue: ONE, arrivalsPerSecond: 1, arrivals: 1_000, seed: 1, lateHello });
  t.true(isAbout(idle.p50, 0.006, 0.01));
  const busy = simulate({ queue: ONE, arrivalsPerSecond: 990, arrivals: 100_000, seed: 1, lateHello });
  const punctual = simulate({ queue: ONE, arrivalsPerSecond: 990, arrivals: 100_000, seed: 1 });
  t.true(busy.p50 < punctual.p50 + 0.01);
});

test('the last of a burst waits for all ahead of it, shared among the servers', (t) => {
  t.is(burstWaitSeconds(ONE, 1), 0);
  t.true(isAbout(burstWaitSeconds(ONE, 1_000), 0.999, 1e-9));
  t.true(isAbout(burstWaitSeconds(EIGHT, 1_000), 0.124, 1e-9));
  t.is(burstWaitSeconds(EIGHT, 8), 0);
});
