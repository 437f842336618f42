import { calibrate } from '../../bench/harness/calibration.js';
import {
  noiseBetween,
  processorTimes,
  spreadOf,
  stolenTimesIn,
  theftBetween,
} from '../../bench/harness/quiet.js';
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

test('the eighth figure of all processors is the time that the hypervisor took', (t) => {
  const stat = 'cpu  100 10 50 800 5 0 5 30 20 0\ncpu0 50 5 25 400 2 0 3 15 10 0\n';
  t.deepEqual(stolenTimesIn(stat), { stolen: 30, all: 1_000 });
});

test('a kernel that does not count stolen time tells nothing', (t) => {
  t.is(stolenTimesIn('cpu  100 10 50 800\n'), undefined);
  t.is(theftBetween(undefined, undefined), undefined);
});

test('a machine whose hypervisor takes more than a hundredth is not quiet, and the share is named', (t) => {
  t.is(theftBetween({ stolen: 30, all: 1_000 }, { stolen: 40, all: 2_000 }), undefined);
  t.regex(theftBetween({ stolen: 30, all: 1_000 }, { stolen: 60, all: 2_000 }) ?? '', /took 3\.00 %/);
});

test('calibrations that lie close together tell of no noise', (t) => {
  t.is(spreadOf([{ promisesUs: 1_000, roundTripUs: 20 }]), undefined);
  t.is(
    spreadOf([
      { promisesUs: 1_000, roundTripUs: 20 },
      { promisesUs: 1_200, roundTripUs: 30 },
    ]),
    undefined,
  );
});

test('a machine that was half as fast between two cases is not quiet, and what was slow is named', (t) => {
  const fast = { promisesUs: 1_000, roundTripUs: 20 };
  t.regex(
    spreadOf([fast, { ...fast, promisesUs: 2_000 }, fast]) ?? '',
    /a loop of promises took 1,000 to 2,000 µs/,
  );
  t.regex(
    spreadOf([{ ...fast, roundTripUs: 40 }, fast]) ?? '',
    /a message to another thread and back took 20\.0 to 40\.0 µs/,
  );
});

test('a calibration times both kinds of work', async (t) => {
  const { promisesUs, roundTripUs } = await calibrate();
  t.true(promisesUs > 0 && roundTripUs > 0);
});
