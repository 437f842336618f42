import { longDuration, shortCount, shortDuration, sparkline } from '../../../src/cli/top/figures.js';
import test from '../../helpers/sanitary.js';

test('a count has at most five characters', (t) => {
  const shown = [0, 3.44, 9.96, 10.4, 120, 999.4, 999.6, 1_234, 9_960, 12_345, 999_600, 34e6, 5e9, Infinity];
  t.deepEqual(shown.map(shortCount), [
    '0',
    '3.4',
    '10',
    '10',
    '120',
    '999',
    '1.0k',
    '1.2k',
    '10k',
    '12k',
    '1.0M',
    '34M',
    '5G',
    '∞',
  ]);
});

test('a duration has at most six characters', (t) => {
  const shown = [0, 0.001, 0.31, 1, 2.55, 12.4, 999.4, 999.6, 1_234, 59_600, 119_000, 180_000, 9e6];
  t.deepEqual(shown.map(shortDuration), [
    '0ms',
    '0ms',
    '0.31ms',
    '1ms',
    '2.5ms',
    '12ms',
    '999ms',
    '1.0s',
    '1.2s',
    '60s',
    '119s',
    '3min',
    '2.5h',
  ]);
});

test('a long duration has its two greatest units', (t) => {
  t.deepEqual([-5, 4_000, 64_000, 3_600_000, 11_555_000, 90_000_000].map(longDuration), [
    '0 s',
    '4 s',
    '1 min 4 s',
    '1 h 0 min',
    '3 h 12 min',
    '1 d 1 h',
  ]);
});

test('a sparkline shows the newest values at its right end, the greatest as a full cell', (t) => {
  t.is(sparkline([1, 2, 3, 4, 5, 6, 7], 7), '▂▃▄▅▆▇█');
  t.is(sparkline([9, 0, 1, 100], 3), '▁▂█', 'what is more than 0 shows');
  t.is(sparkline([5, undefined, 5], 5), '  █ █');
  t.is(sparkline([0, 0], 3), ' ▁▁');
  t.is(sparkline([], 2), '  ');
});
