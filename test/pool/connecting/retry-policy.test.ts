import { strictEqual } from 'node:assert/strict';
import * as fc from 'fast-check';
import { BrokerPoolError, type ErrorCode } from '../../../src/errors.js';
import { retryDelayMs } from '../../../src/pool/connecting/retry-policy.js';
import { RefusalCode } from '../../../src/wire/messages.js';
import test from '../../helpers/sanitary.js';

function refusal(refusalCode: number, retryAfterMs = 0): BrokerPoolError {
  return new BrokerPoolError('REFUSED', 'refused', { refusalCode, retryAfterMs });
}

/** The refusals that pass by themselves; the others are final. */
const PASSING: readonly number[] = [
  RefusalCode.BACKEND_SPAWN_FAILED,
  RefusalCode.RATE_LIMITED,
  RefusalCode.SHUTTING_DOWN,
  RefusalCode.FD_PRESSURE,
];

for (const [name, code] of Object.entries(RefusalCode)) {
  const passes = PASSING.includes(code);
  test(`a refusal with ${name} is ${passes ? "tried again after the broker's pause" : 'final, whatever pause it names'} (X-24)`, (t) => {
    t.is(retryDelayMs(refusal(code, 30_000), 1, 0), passes ? 30_000 : undefined);
    t.is(retryDelayMs(refusal(code, 30_000), 50, 0, Infinity), passes ? 30_000 : undefined);
  });
}

test('a broker that has no backend is asked three times, as often as one starts a backend (V-82)', (t) => {
  const delays = [1, 2, 3].map((attempt) =>
    retryDelayMs(refusal(RefusalCode.BACKEND_SPAWN_FAILED, 1_000), attempt, 0),
  );
  t.deepEqual(delays, [1_000, 1_000, undefined]);
});

for (const code of [RefusalCode.RATE_LIMITED, RefusalCode.SHUTTING_DOWN, RefusalCode.FD_PRESSURE]) {
  test(`a refusal with code ${code} is tried again for as long as there is time`, (t) => {
    t.is(retryDelayMs(refusal(code, 1_000), 50, 0), 5_000);
  });
}

for (const code of PASSING) {
  test(`retry.attempts is the limit of all attempts after a refusal with code ${code}`, (t) => {
    t.is(retryDelayMs(refusal(code), 4, 0, 5), 160);
    t.is(retryDelayMs(refusal(code), 5, 0, 5), undefined);
    t.is(retryDelayMs(refusal(code), 1, 0, 1), undefined);
  });
}

test("without a pause of the broker's it is our own, twice as long each time up to 5 s", (t) => {
  const pauses = [1, 2, 3, 8, 9, 10, 100, 5_000].map((attempt) =>
    retryDelayMs(refusal(RefusalCode.RATE_LIMITED), attempt, 0),
  );
  t.deepEqual(pauses, [20, 40, 80, 2_560, 5_000, 5_000, 5_000, 5_000]);
});

test("a broker's pause shorter than our own does not make us try more often", (t) => {
  t.is(retryDelayMs(refusal(RefusalCode.RATE_LIMITED, 1), 3, 0), 80);
});

test('a missing code counts as none known, a missing pause as none', (t) => {
  t.is(retryDelayMs(new BrokerPoolError('REFUSED', 'refused'), 1, 0), undefined);
  t.is(
    retryDelayMs(new BrokerPoolError('REFUSED', 'refused', { refusalCode: RefusalCode.RATE_LIMITED }), 1, 0),
    20,
  );
});

const ONCE: readonly ErrorCode[] = ['BACKEND_CONNECT', 'UNEXPECTED_EOF'];
const NEVER: readonly ErrorCode[] = [
  'ABORTED',
  'BROKER_CONNECT',
  'BROKER_DISABLED',
  'BROKER_DISABLE_ENV',
  'DECODE_ADMIN_REPLY',
  'DECODE_FRAME',
  'DECODE_HELLO_REPLY',
  'EMPTY_BACKEND_PIPE',
  'FRAME_IO',
  'FRAME_TOO_LARGE',
  'FRAMING_VERSION',
  'INVALID_ARGUMENT',
  'MISSING_HELLO_REPLY_RESULT',
  'POOL_CLEARED',
  'POOL_CLOSED',
  'QUEUE_FULL',
  'TIMEOUT',
  'UNEXPECTED_RESPONSE_FRAME',
  'VALIDATION_FAILED',
  'WORKER_FAILED',
];

for (const code of ONCE) {
  test(`${code} is tried again once (X-25)`, (t) => {
    const error = new BrokerPoolError(code, 'failed');
    t.is(retryDelayMs(error, 1, 0), 20);
    for (const attempt of [2, 3, 100]) t.is(retryDelayMs(error, attempt, 0, Infinity), undefined);
    t.is(retryDelayMs(error, 1, 0, 1), undefined);
  });
}

for (const code of NEVER) {
  test(`${code} is not tried again`, (t) => {
    t.is(retryDelayMs(new BrokerPoolError(code, 'failed', { retryAfterMs: 1 }), 1, 0), undefined);
  });
}

test('chance makes a pause longer by a tenth at most, never shorter than the broker asked for', (t) => {
  const attempts = fc.integer({ min: 1, max: 2_000 });
  const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  t.notThrows(() => {
    fc.assert(
      fc.property(attempts, fc.nat(100_000), chance, (attempt, retryAfterMs, random) => {
        const error = refusal(RefusalCode.RATE_LIMITED, retryAfterMs);
        const shortest = retryDelayMs(error, attempt, 0) ?? Number.NaN;
        const delayMs = retryDelayMs(error, attempt, random) ?? Number.NaN;
        strictEqual(
          shortest >= retryAfterMs && delayMs >= shortest && delayMs <= shortest * 1.1,
          true,
          `${shortest} ${delayMs}`,
        );
      }),
    );
  });
});
