import { noiseBetween, processorTimes } from '../../bench/harness/quiet.js';
import test from '../helpers/sanitary.js';

test('a machine whose processors idle is quiet', (t) => {
  t.is(noiseBetween({ busyMs: 1_000, allMs: 10_000 }, { busyMs: 1_300, allMs: 16_000 }), undefined);
});

test('a machine on which other programs run is not quiet, and the share is named', (t) => {
  t.regex(
    noiseBetween({ busyMs: 1_000, allMs: 10_000 }, { busyMs: 4_000, allMs: 16_000 }) ?? '',
    /take 50 %/,
  );
});

test('the processors have been busy for a part of all time', (t) => {
  const { busyMs, allMs } = processorTimes();
  t.true(busyMs > 0 && busyMs < allMs);
});
